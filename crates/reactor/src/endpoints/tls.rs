//! TLS over any other stream, by rustls.
//!
//! The handshake is part of connecting: a protocol is made when it has succeeded, and not before.
//! So what is wrong with a certificate comes out of `connect`, and a protocol never talks to
//! somebody who was not verified.

use super::strings::{Arguments, unfit};
use super::{ClientEndpoint, Kind, Opening, ServerEndpoint};
use crate::errors::{TlsError, Trouble};
use crate::stream::Wire;
use core::fmt::Display;
use hereafter::Failure;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Another endpoint, with TLS over it.
#[derive(Clone)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    pub(super) inner: Box<ClientEndpoint>,
}

impl Client {
    pub(super) fn host(&self) -> std::borrow::Cow<'_, str> {
        self.name.to_str()
    }

    pub(super) fn open(&self) -> Opening<'_> {
        Box::pin(async move {
            let Wire { stream, host, peer } = self.inner.open().await?;
            let connector = TlsConnector::from(self.config.clone());
            let stream = connector
                .connect(self.name.clone(), stream)
                .await
                .map_err(|error| failed(self.host(), error))?;
            Ok(Wire { stream: Box::new(stream), host, peer })
        })
    }
}

/// The server's side of a handshake.
pub(super) async fn accept(config: Arc<ServerConfig>, wire: Wire) -> Result<Wire, Failure> {
    let Wire { stream, host, peer } = wire;
    let stream =
        TlsAcceptor::from(config).accept(stream).await.map_err(|error| failed(&peer, error))?;
    Ok(Wire { stream: Box::new(stream), host, peer })
}

fn failed(peer: impl Display, error: io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let source = match inner {
        // What rustls says of the most usual mistake is the name of a constant.
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            let text = "invalid peer certificate: UnknownIssuer: \
                        it is self-signed, or its issuer is not among the trust roots";
            io::Error::new(error.kind(), text)
        }
        _ => error,
    };
    Failure::new(TlsError { peer: peer.to_string(), source })
}

/// Runs TLS over another endpoint (Twisted's `wrapClientTLS`). The other side's certificate has to
/// be for `host`.
///
/// # Errors
///
/// When `host` can be no name of a host.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::Reactor;
/// use hereafter_reactor::endpoints::{ClientEndpoint, wrap_client_tls};
/// use rustls::pki_types::InvalidDnsNameError;
/// use std::sync::Arc;
///
/// fn secret(
///     reactor: &Reactor,
///     config: Arc<rustls::ClientConfig>,
/// ) -> Result<ClientEndpoint, InvalidDnsNameError> {
///     wrap_client_tls(config, "example.com", ClientEndpoint::unix(reactor, "/run/tunnel.sock"))
/// }
/// # let _ = secret;
/// ```
pub fn wrap_client_tls(
    config: Arc<ClientConfig>,
    host: &str,
    endpoint: ClientEndpoint,
) -> Result<ClientEndpoint, InvalidDnsNameError> {
    let name = ServerName::try_from(host.to_owned())?;
    let (clock, timeout) = (endpoint.clock.clone(), endpoint.timeout);
    let kind = Kind::Tls(Client { config, name, inner: Box::new(endpoint) });
    Ok(ClientEndpoint { clock, timeout, kind })
}

/// Has an endpoint speak TLS with those who connect (Twisted's `wrapServerTLS`).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::Reactor;
/// use hereafter_reactor::endpoints::{ServerEndpoint, wrap_server_tls};
/// use std::sync::Arc;
///
/// fn secret(reactor: &Reactor, config: Arc<rustls::ServerConfig>) -> ServerEndpoint {
///     wrap_server_tls(config, ServerEndpoint::tcp(reactor, None, 443))
/// }
/// # let _ = secret;
/// ```
pub fn wrap_server_tls(config: Arc<ServerConfig>, endpoint: ServerEndpoint) -> ServerEndpoint {
    endpoint.with_tls(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The configuration that the arguments of a client's description ask for.
pub(super) fn client_config(arguments: &mut Arguments) -> Result<Arc<ClientConfig>, Trouble> {
    let roots = match arguments.path("trustRoots") {
        Some(folder) => {
            roots_in(&folder).map_err(|why| unfit("trustRoots", folder.display(), why))?
        }
        None => system_roots(),
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit("tls", "", error.to_string()))?
        .with_root_certificates(roots);
    let Some(certificate) = arguments.path("certificate") else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let key = arguments.path("privateKey").unwrap_or_else(|| certificate.clone());
    let (chain, key_der) = identity(("certificate", &certificate), ("privateKey", &key), None)?;
    let config = builder
        .with_client_auth_cert(chain, key_der)
        .map_err(|error| unfit("privateKey", key.display(), unusable(error)))?;
    Ok(Arc::new(config))
}

/// The configuration that the arguments of a server's description ask for.
pub(super) fn server_config(arguments: &mut Arguments) -> Result<Arc<ServerConfig>, Trouble> {
    let key = arguments.path("privateKey").unwrap_or_else(|| PathBuf::from("server.pem"));
    let certificate = arguments.path("certKey").unwrap_or_else(|| key.clone());
    let more = arguments.path("extraCertChain");
    let (chain, key_der) =
        identity(("certKey", &certificate), ("privateKey", &key), more.as_deref())?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key_der))
        .map_err(|error| unfit("privateKey", key.display(), unusable(error)))?;
    Ok(Arc::new(config))
}

fn unusable(error: rustls::Error) -> String {
    format!("which cannot be used: {error}")
}

/// What one side shows to the other: a chain of certificates, and the key to the first.
fn identity(
    certificate: (&str, &Path),
    key: (&str, &Path),
    more: Option<&Path>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Trouble> {
    let mut chain = certificates(certificate.1)
        .map_err(|why| unfit(certificate.0, certificate.1.display(), why))?;
    if let Some(more) = more {
        let more_of_them =
            certificates(more).map_err(|why| unfit("extraCertChain", more.display(), why))?;
        chain.extend(more_of_them);
    }
    let key_der = PrivateKeyDer::from_pem_file(key.1)
        .map_err(|error| unfit(key.0, key.1.display(), unreadable(&error, "private key")))?;
    Ok((chain, key_der))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err("which has no certificate in PEM form".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(&error, "certificate")),
    }
}

fn unreadable(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("which cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("which has no {what} in PEM form"),
        error => format!("which is not PEM: {error}"),
    }
}

/// The certificates in the `.pem` files of a folder. As in Twisted, files that are of no use are
/// passed over; that none is of any is an error.
fn roots_in(folder: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let unreadable = |error: io::Error| format!("which cannot be read: {error}");
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("pem")) {
            roots.add_parsable_certificates(certificates(&path).unwrap_or_default());
        }
    }
    if roots.is_empty() {
        return Err("where there is no .pem file with a certificate".to_owned());
    }
    Ok(roots)
}

/// Those that the operating system trusts. Where there are none, no certificate will be valid.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
