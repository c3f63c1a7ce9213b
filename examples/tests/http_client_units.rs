//! The unit tests of `http_client`'s modules; they are here for the reason that those of
//! `linkcheck` have.

#![allow(dead_code, reason = "what joins the modules is `main`, which is not here")]

#[path = "../http_client/response.rs"]
mod response;
