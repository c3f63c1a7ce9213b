//! What things are called in a history.

use core::fmt;
use std::borrow::Cow;

/// The name of a failure, or of another deferred: text, or what becomes one when it is told.
///
/// # Examples
///
/// ```
/// use hereafter_insight::Name;
/// assert_eq!(Name::from("KeyError").to_string(), "KeyError");
/// assert_eq!(Name::of_deferred(Some(12), 0x40).to_string(), "Deferred 12 at 0x40");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Text(Cow<'static, str>),
    Deferred { number: Option<u64>, address: usize },
}

impl Name {
    /// That of a deferred: its number, if it has a history, and where it lies.
    ///
    /// # Examples
    ///
    /// See [`Name`].
    #[inline]
    pub fn of_deferred(number: Option<u64>, address: usize) -> Self {
        Self(Form::Deferred { number, address })
    }

    /// Whether both are the same; quickly, where they are the very same text.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Text(Cow::Borrowed(a)), Form::Text(Cow::Borrowed(b)))
                if core::ptr::eq(*a, *b) =>
            {
                true
            }
            _ => self == other,
        }
    }
}

impl From<&'static str> for Name {
    #[inline]
    fn from(text: &'static str) -> Self {
        Self(Form::Text(Cow::Borrowed(text)))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Form::Text(Cow::Owned(text)))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Text(text) => f.write_str(text),
            Form::Deferred { number: Some(number), address } => {
                write!(f, "Deferred {number} at {address:#x}")
            }
            Form::Deferred { number: None, address } => write!(f, "Deferred at {address:#x}"),
        }
    }
}
