//! The `#[test]` of `hereafter-testing`, which tells of it.

use proc_macro::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};

/// As the `#[test]` that there is always, for a function that must give back what it allocates.
#[proc_macro_attribute]
pub fn test(_: TokenStream, function: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = function.into_iter().collect();
    // The body is the last thing, in braces. All else stays as it is, with its places in the file.
    if let Some(TokenTree::Group(body)) = tokens.last_mut()
        && body.delimiter() == Delimiter::Brace
    {
        let closure = twice('|').into_iter().chain([TokenTree::from(body.clone())]).collect();
        let call = path(&["hereafter_testing", "leaves_nothing"]).chain([Group::new(
            Delimiter::Parenthesis,
            closure,
        )
        .into()]);
        *body = Group::new(Delimiter::Brace, call.collect());
    }
    let attribute = path(&["core", "prelude", "v1", "test"]).collect();
    let attribute = Group::new(Delimiter::Bracket, attribute);
    let head = [Punct::new('#', Spacing::Alone).into(), TokenTree::from(attribute)];
    head.into_iter().chain(tokens).collect()
}

/// `::name::name`
fn path(names: &'static [&'static str]) -> impl Iterator<Item = TokenTree> {
    names.iter().flat_map(|name| {
        let [first, second] = twice(':');
        [first, second, Ident::new(name, Span::call_site()).into()]
    })
}

/// A sign that is written twice, as one.
fn twice(sign: char) -> [TokenTree; 2] {
    [Punct::new(sign, Spacing::Joint).into(), Punct::new(sign, Spacing::Alone).into()]
}
