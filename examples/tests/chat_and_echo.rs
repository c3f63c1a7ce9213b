//! Runs the built `echo` and `chat`, and talks to them.

mod program;

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Stdio};

use program::example;

/// A server that runs until this is dropped.
struct Running {
    program: Child,
    /// What it listens on.
    address: String,
}

impl Running {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut program =
            example(name).args(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let mut out = BufReader::new(program.stdout.take().expect("it was asked for"));
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").expect("it says so").trim().to_owned();
        Self { program, address }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which some test has noticed then.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Has `echo` ask a server; what it prints.
#[track_caller]
fn ask(endpoint: &str, text: &str) -> String {
    let output = example("echo").args(["ask", endpoint, text]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_echo_comes_back_over_tcp() {
    let server = Running::start("echo", &["serve", "tcp:0:interface=127.0.0.1"]);
    let endpoint = format!("tcp:{}", server.address);
    assert_eq!(ask(&endpoint, "is anybody there?"), "is anybody there?\n");
    let long = "again and ".repeat(10_000);
    assert_eq!(ask(&endpoint, &long), format!("{long}\n"));
}

#[cfg(unix)]
#[test]
fn an_echo_comes_back_over_a_socket_in_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}", folder.path().join("echo").display());
    let _server = Running::start("echo", &["serve", &endpoint]);
    assert_eq!(ask(&endpoint, "hello"), "hello\n");
}

#[test]
fn an_echo_that_cannot_be_asked_is_a_failure() {
    let output = example("echo").args(["ask", "tcp:127.0.0.1", "hello"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("the endpoint \"tcp:127.0.0.1\": port is missing"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_server_in_good_order() {
    let mut server = Running::start("echo", &["serve", "tcp:0:interface=127.0.0.1"]);
    let mut open = BufReader::new(TcpStream::connect(&server.address).unwrap());
    let mut line = String::new();
    // It answers, so it runs.
    open.get_mut().write_all(b"hello\n").unwrap();
    open.read_line(&mut line).unwrap();
    let number = server.program.id().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &number]).status().unwrap();
    assert!(sent.success());
    assert_eq!(server.program.wait().unwrap().code(), Some(0));
    // Its connections have ended with it.
    assert_eq!(open.read_line(&mut line).unwrap(), 0);
}

/// Somebody in the chat.
struct Guest(BufReader<TcpStream>);

impl Guest {
    fn new(server: &Running, name: &str) -> Self {
        let mut guest = Self(BufReader::new(TcpStream::connect(&server.address).unwrap()));
        guest.hears("What is your name?");
        guest.says(name);
        guest
    }

    fn says(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end_matches('\n'), expected);
    }
}

#[test]
fn guests_of_the_chat_hear_each_other() {
    let server = Running::start("chat", &["tcp:0:interface=127.0.0.1"]);
    let mut ann = Guest::new(&server, "ann");
    ann.hears("Welcome, ann. Here are: ann");
    let mut bob = Guest::new(&server, "ann");
    bob.hears("That name will not do. What is your name?");
    bob.says("bob");
    bob.hears("Welcome, bob. Here are: ann, bob");
    ann.hears("* bob has come");
    ann.says("hello, bob");
    bob.hears("<ann> hello, bob");
    bob.says("/who");
    bob.hears("ann, bob");
    bob.says("/quit");
    bob.hears("");
    ann.hears("* bob has left");

    // One who is cut off has left as well, and one who says too much has to.
    let mut carl = Guest::new(&server, "carl");
    carl.hears("Welcome, carl. Here are: ann, carl");
    ann.hears("* carl has come");
    carl.0.get_ref().shutdown(Shutdown::Both).unwrap();
    ann.hears("* carl has left");
    ann.says(&"x".repeat(2000));
    ann.hears("* that was too long");
}
