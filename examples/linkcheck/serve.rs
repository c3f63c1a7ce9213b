//! Serves a site on loopback, to be checked like any other: the embedded documentation, or a folder.
//!
//! The server is hyper, by way of axum; a folder is served by `tower_http`, which sees to content
//! types, `index.html` and to it that no path leads out of the folder. It runs on the reactor's own
//! thread and ends with it.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use hereafter::Deferred;
use percent_encoding::percent_decode_str;
use tower_http::services::ServeDir;
use url::Url;

use crate::docs;

/// A site that is being served.
pub(crate) struct Served {
    /// Its root.
    pub(crate) root: Url,
    /// What it is called where the root, with its port, would be another one the next time.
    pub(crate) name: String,
    /// Where to start: for a folder every page in it, so that a page nothing leads to is seen too.
    pub(crate) start: Vec<Url>,
}

/// Serves the embedded documentation.
pub(crate) fn documentation() -> io::Result<Served> {
    let site = Arc::new(docs::site());
    let app = Router::new().fallback(async move |uri: Uri| -> Response {
        let mut path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        if path.ends_with('/') {
            path.push_str("index.html");
        }
        if let Some(found) = site.get(&path) {
            let content_type = HeaderValue::from_static(found.content_type);
            return ([(header::CONTENT_TYPE, content_type)], found.body.clone()).into_response();
        }
        // A folder without its slash: relative links on its page would go wrong.
        if site.contains_key(&format!("{path}/index.html")) {
            let location = format!("{}/", uri.path());
            return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
        }
        StatusCode::NOT_FOUND.into_response()
    });
    let root = spawn(app)?;
    Ok(Served { start: vec![root.clone()], root, name: "linkcheck:documentation/".to_owned() })
}

/// Serves a folder; starts at `page`, or at each page in it.
pub(crate) fn folder(folder: &Path, page: Option<&str>) -> io::Result<Served> {
    let mut paths = Vec::new();
    match page {
        Some(page) => paths.push(vec![page.to_owned()]),
        None => find_pages(folder, &mut Vec::new(), &mut paths)?,
    }
    if paths.is_empty() {
        let message = format!("no .html file in {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    paths.sort();
    let root = spawn(Router::new().fallback_service(ServeDir::new(folder)))?;
    let start = paths.iter().map(|path| page_url(&root, path)).collect();
    let name = Url::from_directory_path(folder.canonicalize()?).expect("the path is absolute");
    Ok(Served { root, start, name: name.into() })
}

/// The address of a page in a served folder. An `index.html` is the folder's own page.
fn page_url(root: &Url, path: &[String]) -> Url {
    let mut url = root.clone();
    let last = path.len() - 1;
    let parts = path
        .iter()
        .enumerate()
        .map(|(index, part)| if index == last && part == "index.html" { "" } else { part });
    url.path_segments_mut().expect("an http URL has a path").clear().extend(parts);
    url
}

/// Collects the HTML files beneath `folder`, each as the parts of its path. Links to folders are
/// not followed, for they may lead in a circle.
fn find_pages(folder: &Path, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_page = Path::new(&name)
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm"));
        at.push(name);
        if entry.file_type()?.is_dir() {
            find_pages(&entry.path(), at, found)?;
        } else if is_page {
            found.push(at.clone());
        }
        at.pop();
    }
    Ok(())
}

/// Runs the server on a free port.
fn spawn(app: Router) -> io::Result<Url> {
    // Bound before anything is asked of it, so that the first request cannot come too early.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let server = Deferred::from_future(async move {
        // A file goes out in two pieces, its head and its body. Without this the second would wait
        // until the client has confirmed the first, which clients like to put off.
        let listener = tokio::net::TcpListener::from_std(listener)?
            .tap_io(|connection| _ = connection.set_nodelay(true));
        axum::serve(listener, app).await
    });
    // Letting go of a deferred does not stop what it stands for; a failure would be reported.
    drop(server);
    Ok(Url::parse(&format!("http://{address}/")).expect("an address makes a URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_get_readable_and_safe_addresses() {
        let root = Url::parse("http://127.0.0.1:1/").unwrap();
        let url = |parts: &[&str]| {
            page_url(&root, &parts.iter().map(ToString::to_string).collect::<Vec<_>>()).to_string()
        };
        assert_eq!(url(&["index.html"]), "http://127.0.0.1:1/");
        assert_eq!(url(&["a b", "c#d?.html"]), "http://127.0.0.1:1/a%20b/c%23d%3F.html");
        assert_eq!(url(&["deep", "index.html"]), "http://127.0.0.1:1/deep/");
    }

    #[test]
    fn a_folder_without_pages_is_refused_by_name() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("linkcheck");
        let error = folder(&sources, None).err().unwrap();
        assert!(error.to_string().contains("no .html file in"), "{error}");
    }
}
