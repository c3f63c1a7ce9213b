//! Row G4 of the contract: the descriptions of endpoints, and what is said about wrong ones.

use hereafter_reactor::Reactor;
use hereafter_reactor::endpoints::{client_from_string, quote_string_argument, server_from_string};
use std::error::Error;

type TestResult = Result<(), Box<dyn Error>>;

#[track_caller]
fn client(description: &str) -> String {
    let reactor = Reactor::new().expect("a reactor");
    match client_from_string(&reactor, description) {
        Ok(endpoint) => format!("{endpoint:?}"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn server(description: &str) -> String {
    let reactor = Reactor::new().expect("a reactor");
    match server_from_string(&reactor, description) {
        Ok(endpoint) => format!("{endpoint:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn g4_clients_by_position_and_by_name() {
    for description in [
        "tcp:www.example.com:80",
        "tcp:host=www.example.com:port=80",
        "tcp:host=www.example.com:80",
        "tcp:www.example.com:port=80",
        "TCP:www.example.com:80:timeout=5:bindAddress=192.0.2.100",
        "tcp:www.ex\\ample.com:80:timeout=0.5",
    ] {
        assert_eq!(client(description), "<ClientEndpoint tcp:www.example.com:80>");
    }
    for description in ["unix:/var/foo/bar", "unix:path=/var/foo/bar:lockfile=1:timeout=9"] {
        assert_eq!(client(description), "<ClientEndpoint unix:/var/foo/bar>");
    }
}

#[test]
fn g4_servers_by_position_and_by_name() {
    for description in [
        "tcp:80:interface=127.0.0.1",
        "tcp:port=80:interface=127.0.0.1:backlog=5",
        "tcp:80:127.0.0.1:5",
    ] {
        assert_eq!(server(description), "<ServerEndpoint 127.0.0.1:80>");
    }
    assert_eq!(server("tcp:80"), "<ServerEndpoint 0.0.0.0:80>");
    assert_eq!(server("tcp:80:interface="), "<ServerEndpoint 0.0.0.0:80>");
    assert_eq!(server("tcp:80:interface=\\:\\:1"), "<ServerEndpoint [::1]:80>");
    for description in
        ["unix:/run/x", "unix:/run/x:660:10:0", "unix:address=/run/x:mode=660:lockfile=0"]
    {
        assert_eq!(server(description), "<ServerEndpoint /run/x>");
    }
}

#[test]
fn g4_a_backslash_takes_away_the_meaning() {
    assert_eq!(server(r"unix:a\:b\=c\\d"), r"<ServerEndpoint a:b=c\d>");
    assert_eq!(server("unix:address=a=b"), "<ServerEndpoint a=b>");
    let path = r"C:\keys\a=b.pem";
    let quoted = format!("unix:address={}", quote_string_argument(path));
    assert_eq!(server(&quoted), format!("<ServerEndpoint {path}>"));
}

#[test]
fn g4_a_wrong_description_is_named_with_the_argument() {
    for (description, trouble) in [
        ("tcp:example.com", "port is missing"),
        ("tcp::80", "host is missing"),
        ("tcp:example.com:http", "port is \"http\", which is not a number from 0 to 65535"),
        ("tcp:example.com:70000", "port is \"70000\", which is not a number from 0 to 65535"),
        ("tcp:a:80:x", "\"x\" is one argument too many; escape a ':' in a value as '\\:'"),
        (
            "tcp:a:80:timeuot=5",
            "there is no argument \"timeuot\"; there are host, port, timeout, bindAddress",
        ),
        ("tcp:a:80:timeout=soon", "timeout is \"soon\", which is not a number of seconds"),
        ("tcp:a:80:timeout=-1", "timeout is \"-1\", which is not a number of seconds"),
        ("tcp:a:80:bindAddress=here", "bindAddress is \"here\", which is not an IP address"),
        ("tcp:a:80:timeout=1:timeout=2", "timeout was given twice"),
        ("tcp:a\\", "there is nothing after the last '\\'; write it twice"),
        ("", "there is no type \"\"; there are tcp, unix, tls"),
        ("ssh:a:22", "there is no type \"ssh\"; there are tcp, unix, tls"),
        ("tls:not a name:443", "host is \"not a name\", invalid dns name"),
        (
            "tls:a.test:443:trustRoots=/nowhere/at/all",
            "trustRoots is \"/nowhere/at/all\", which cannot be read: \
             No such file or directory (os error 2)",
        ),
        (
            "tls:a.test:443:certificate=/nowhere/at/all",
            "certificate is \"/nowhere/at/all\", which cannot be read: \
             No such file or directory (os error 2)",
        ),
        ("tls:a.test:443:endpoint=unix\\:", "endpoint is \"unix:\", path is missing"),
    ] {
        let found = client(description);
        assert_eq!(found, format!("the endpoint {description:?}: {trouble}"));
    }
    for (description, trouble) in [
        ("tcp:", "port is \"\", which is not a number from 0 to 65535"),
        ("tcp:80:interface=eth0", "interface is \"eth0\", which is not an IP address"),
        ("tcp:80:backlog=x", "backlog is \"x\", which is not a number"),
        ("unix:/x:mode=999", "mode is \"999\", which is not an octal number up to 7777"),
        ("unix:/x:lockfile=no", "lockfile is \"no\", which is not 0 or 1"),
        ("unix:", "address is missing"),
        (
            "ssl:443:privateKey=/nowhere.pem",
            "certKey is \"/nowhere.pem\", which cannot be read: \
             No such file or directory (os error 2)",
        ),
        ("stdio:", "there is no type \"stdio\"; there are tcp, unix, ssl, tls"),
    ] {
        assert_eq!(server(description), format!("the endpoint {description:?}: {trouble}"));
    }
}

#[test]
fn g4_files_without_what_is_wanted_are_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("empty.pem");
    std::fs::write(&path, "nothing\n")?;
    let (file, folder) = (path.display(), folder.path().display());
    assert_eq!(
        server(&format!("ssl:443:{file}")),
        format!(
            "the endpoint \"ssl:443:{file}\": certKey is \"{file}\", which has no certificate in PEM form"
        )
    );
    let description = format!("tls:a.test:443:trustRoots={folder}");
    assert_eq!(
        client(&description),
        format!(
            "the endpoint \"{description}\": trustRoots is \"{folder}\", \
             where there is no .pem file with a certificate"
        )
    );
    Ok(())
}
