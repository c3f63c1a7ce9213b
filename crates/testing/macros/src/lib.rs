//! The `#[test]` of `hereafter-testing`, which tells of it.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// As the `#[test]` that there is always, for a function that must give back what it allocates.
#[proc_macro_attribute]
pub fn test(_: TokenStream, function: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = function.into_iter().collect();
    // The body is the last thing in braces. All else stays as it is, with its places in the file.
    if let Some(TokenTree::Group(body)) = tokens.last_mut()
        && body.delimiter() == Delimiter::Brace
    {
        let body_then = body.clone();
        let mut call: TokenStream =
            "::hereafter_testing::leaves_nothing".parse().expect("it is a path");
        let closure: TokenStream = "||".parse().expect("it is the head of a closure");
        let closure = closure.into_iter().chain([TokenTree::Group(body_then)]);
        let arguments = Group::new(Delimiter::Parenthesis, closure.collect());
        call.extend([TokenTree::Group(arguments)]);
        *body = Group::new(Delimiter::Brace, call);
    }
    let mut test: TokenStream = "#[::core::prelude::v1::test]".parse().expect("it is an attribute");
    test.extend(tokens);
    test
}
