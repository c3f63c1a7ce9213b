//! Runs the built `html_report` and asks it, as a browser would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The program, which cargo builds beside the tests; it ends with the test.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut path: PathBuf = std::env::current_exe().unwrap();
        path.pop();
        path.set_file_name("examples");
        path.push(format!("html_report{}", std::env::consts::EXE_SUFFIX));
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("`cargo build --example html_report` builds it"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the server at `address` says to a request for `path`.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_result_of_a_query_comes_as_html() {
    let mut program = Program::start(&[]);
    let mut line = String::new();
    BufReader::new(program.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().trim_end_matches('/');

    let page = get(address, "/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(
        page.ends_with(
            "<table>\n<tr><td>Bowman<td>Pod &lt;1><td>140\n<tr><td>Poole<td>Pod &lt;2><td>96\n\
             <tr><td>Hunter &amp; Kimball<td>asleep<td>0\n</table>\n"
        ),
        "{page}"
    );
    let missing = get(address, "/a&b");
    assert!(missing.starts_with("HTTP/1.1 404 Not Found\r\n"), "{missing}");
    assert!(missing.ends_with("<p>there is no /a&amp;b here\n"), "{missing}");
}

#[test]
fn a_bad_address_is_named() {
    let mut program = Program::start(&["nowhere"]);
    assert_eq!(program.0.wait().unwrap().code(), Some(2));
    let mut message = String::new();
    program.0.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert!(message.contains("invalid value 'nowhere' for '[ADDRESS]'"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_without_a_word() {
    let mut program = Program::start(&[]);
    let mut line = String::new();
    BufReader::new(program.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let id = program.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(program.0.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    program.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
