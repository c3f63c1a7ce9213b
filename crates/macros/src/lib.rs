//! The `#[inline_callbacks]` attribute of the crate `hereafter`, which re-exports it.
//!
//! It is a crate of its own because the language asks that of attributes.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn, ReturnType, parse_macro_input};

/// Makes an `async fn` one that runs at once and gives back a `Deferred` (Twisted's
/// `inlineCallbacks`).
///
/// The function keeps its name, its arguments and its body, in which `.await` waits for deferreds.
/// What it gave back must be an `Outcome`, such as `Result<T, Failure>` or nothing; callers get a
/// `Deferred<T>`, and need not be `async` themselves. Called, it runs to its first wait before it
/// returns; see `Deferred::from_coroutine` for the rest, and for what a cancel does.
///
/// Arguments must be owned (`'static`), since the body may outlive the call. That includes `self`.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, Failure, inline_callbacks};
///
/// #[inline_callbacks]
/// async fn sum(first: Deferred<u32>, second: Deferred<u32>) -> Result<u32, Failure> {
///     Ok(first.await? + second.await?)
/// }
///
/// let (trigger, second) = Deferred::new();
/// let d: Deferred<u32> = sum(Deferred::succeed(1), second);
/// trigger.callback(2);
/// assert_eq!(d.take_result().unwrap().unwrap(), 3);
/// ```
#[proc_macro_attribute]
pub fn inline_callbacks(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    expand(&arguments.into(), function).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn expand(arguments: &TokenStream2, mut function: ItemFn) -> syn::Result<TokenStream2> {
    if !arguments.is_empty() {
        return Err(syn::Error::new(arguments.span(), "#[inline_callbacks] takes no arguments"));
    }
    let signature = &mut function.sig;
    if signature.asyncness.take().is_none() {
        let message = "#[inline_callbacks] goes on an `async fn`";
        return Err(syn::Error::new(signature.fn_token.span(), message));
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first()
        && receiver.reference.is_some()
    {
        let message = "the body may outlive the call, so it cannot borrow `self`; \
                       take it by value, or take an `Rc` of it";
        return Err(syn::Error::new(receiver.span(), message));
    }
    let (output, span) = match &signature.output {
        ReturnType::Default => (quote!(()), signature.ident.span()),
        ReturnType::Type(_, output) => (quote!(#output), output.span()),
    };
    signature.output = syn::parse2(quote_spanned! { span =>
        -> ::hereafter::Deferred<<#output as ::hereafter::Outcome>::Value>
    })?;
    let body = function.block;
    function.block = syn::parse2(quote! {{
        ::hereafter::Deferred::from_coroutine(async move {
            // The type is said here, so that `?` and `Ok` in the body need no annotation.
            #[allow(clippy::async_yields_async)]
            let outcome: #output = async move #body.await;
            outcome
        })
    }})?;
    Ok(quote! { #[track_caller] #function })
}
