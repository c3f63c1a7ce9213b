//! Answers, and how they come out of a stream of bytes. The grammar is httparse's affair; here is
//! where an answer ends.

use bytes::{Bytes, BytesMut};
use httparse::{EMPTY_HEADER, Status};
use std::fmt;

/// More headers than this are too many.
const MAX_HEADERS: usize = 100;

/// Longer answers, or heads of answers, are too long.
const MAX_LENGTH: usize = 64 * 1024 * 1024;

/// What a server has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// Takes an answer in, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// What has come and is not understood yet.
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes belong to the body.
    Length(Response, usize),
    /// The body comes in chunks. These are those that have come.
    Chunks(Response, BytesMut),
    /// All that comes belongs to the body.
    UntilClose(Response),
    Complete,
}

impl Parser {
    /// Takes in what has come; the answer, once it is complete.
    pub(crate) fn push(&mut self, data: &[u8]) -> Result<Option<Response>, Malformed> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() > MAX_LENGTH {
            return Err(Malformed("it is too long".to_owned()));
        }
        loop {
            let (next, waits) = match std::mem::replace(&mut self.state, State::Complete) {
                State::Head => self.head()?.map_or((State::Head, true), |next| (next, false)),
                State::Length(response, length) if self.buffer.len() >= length => {
                    let body = self.buffer.split_to(length).freeze();
                    return Ok(Some(Response { body, ..response }));
                }
                State::Chunks(response, mut body) => {
                    if self.chunks(&mut body)? {
                        return Ok(Some(Response { body: body.freeze(), ..response }));
                    }
                    (State::Chunks(response, body), true)
                }
                other => (other, true),
            };
            self.state = next;
            if waits {
                return Ok(None);
            }
        }
    }

    /// The connection has ended; the answer, if that was to be its end.
    pub(crate) fn end(&mut self) -> Option<Response> {
        match std::mem::take(&mut self.state) {
            State::UntilClose(response) => {
                Some(Response { body: self.buffer.split().freeze(), ..response })
            }
            _ => None,
        }
    }

    /// Takes the head out of the buffer; what follows it.
    fn head(&mut self) -> Result<Option<State>, Malformed> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let Status::Complete(length) = head.parse(&self.buffer)? else { return Ok(None) };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let response = Response {
            status: head.code.unwrap_or_default(),
            reason: head.reason.unwrap_or_default().to_owned(),
            headers: head.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect(),
            body: Bytes::new(),
        };
        drop(self.buffer.split_to(length));
        Ok(Some(match response.status {
            // It goes on with what it has really to say.
            100..=199 => State::Head,
            204 | 304 => State::Length(response, 0),
            _ => body_of(response)?,
        }))
    }

    /// Takes chunks out of the buffer; whether that was the last.
    fn chunks(&mut self, body: &mut BytesMut) -> Result<bool, Malformed> {
        loop {
            let parsed = httparse::parse_chunk_size(&self.buffer);
            let size =
                parsed.map_err(|_| Malformed("the size of a chunk is no number".to_owned()))?;
            let Status::Complete((start, size)) = size else { return Ok(false) };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size == 0 {
                // What may follow is nothing that anybody asked for, but has to be there in full.
                let mut trailers = [EMPTY_HEADER; MAX_HEADERS];
                return Ok(
                    httparse::parse_headers(&self.buffer[start..], &mut trailers)?.is_complete()
                );
            }
            if size > MAX_LENGTH - body.len().min(MAX_LENGTH) {
                return Err(Malformed("it is too long".to_owned()));
            }
            let end = start + size;
            if self.buffer.len() < end + 2 {
                return Ok(false);
            }
            if &self.buffer[end..end + 2] != b"\r\n" {
                return Err(Malformed("a chunk is longer than it said".to_owned()));
            }
            body.extend_from_slice(&self.buffer[start..end]);
            drop(self.buffer.split_to(end + 2));
        }
    }
}

/// How the end of the body is to be found.
fn body_of(response: Response) -> Result<State, Malformed> {
    let header = |name: &str| {
        let mut all = response.headers.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    if let Some(coding) = header("transfer-encoding") {
        if !coding.eq_ignore_ascii_case("chunked") {
            return Err(Malformed(format!("its transfer encoding {coding:?} was not asked for")));
        }
        return Ok(State::Chunks(response, BytesMut::new()));
    }
    let Some(length) = header("content-length") else { return Ok(State::UntilClose(response)) };
    match length.parse() {
        Ok(length) if length <= MAX_LENGTH => Ok(State::Length(response, length)),
        Ok(length) => Err(Malformed(format!("{length} bytes are too long"))),
        Err(_) => Err(Malformed(format!("its length {length:?} is no number"))),
    }
}

/// An answer is not as HTTP wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer cannot be understood: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<httparse::Error> for Malformed {
    fn from(error: httparse::Error) -> Self {
        Self(error.to_string())
    }
}

/// The connection was closed before the answer was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incomplete;

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was closed before the answer was complete")
    }
}

impl std::error::Error for Incomplete {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer in a stream, which comes whole, byte by byte, and in two parts.
    #[track_caller]
    fn parsed(stream: &str, closes: bool) -> Result<Response, Malformed> {
        let parse = |pieces: &[&[u8]]| {
            let mut parser = Parser::default();
            for piece in pieces {
                if let Some(response) = parser.push(piece)? {
                    return Ok(response);
                }
            }
            assert!(closes, "it is not complete: {parser:?}");
            Ok(parser.end().expect("it ends with the connection"))
        };
        let bytes = stream.as_bytes();
        let whole = parse(&[bytes]);
        assert_eq!(parse(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        for cut in 0..bytes.len() {
            assert_eq!(parse(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let stream =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 5\r\n\r\nhello";
        let response = parsed(stream, false).unwrap();
        assert_eq!((response.status, response.reason.as_str()), (200, "OK"));
        assert_eq!(response.headers[0], ("Content-Type".to_owned(), "text/plain".to_owned()));
        assert_eq!(response.body, "hello");
    }

    #[test]
    fn an_answer_ends_with_its_last_chunk() {
        let stream = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      5\r\nhello\r\n1;name=value\r\n,\r\n6\r\n world\r\n0\r\nChecked: no\r\n\r\n";
        assert_eq!(parsed(stream, false).unwrap().body, "hello, world");
    }

    #[test]
    fn an_answer_ends_with_the_connection() {
        let stream = "HTTP/1.0 404 Not Found\r\n\r\nit is\r\nnot here";
        let response = parsed(stream, true).unwrap();
        assert_eq!((response.status, &*response.body), (404, &b"it is\r\nnot here"[..]));
    }

    #[test]
    fn some_answers_have_no_body() {
        let stream = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parsed(stream, false).unwrap().status, 204);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (stream, trouble) in [
            ("220 mail.test ESMTP\r\n\r\n", "invalid HTTP version"),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "its length \"many\" is no number"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                "99999999999 bytes are too long",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                "its transfer encoding \"gzip\"",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n",
                "a chunk is longer than it said",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                "the size of a chunk is no number",
            ),
        ] {
            let error = parsed(stream, true).unwrap_err().to_string();
            assert!(error.contains(trouble), "{stream:?}: {error}");
        }
    }
}
