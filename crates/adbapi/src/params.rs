//! The values of a statement's placeholders.
//!
//! They are encoded for the database inside the call that takes them. So they may be borrowed, and
//! a value that cannot be encoded is told before anything is sent.

use crate::error::Error;
use sqlx::encode::Encode;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{Arguments as _, Type};

/// What can be given for a placeholder.
///
/// It is implemented for all that both drivers know: `bool`, `i8` to `i64`, `f32`, `f64`, `&str`,
/// `String`, `&[u8]`, `Vec<u8>`, and `Option`s of them, whose `None` is `NULL`. With features of
/// [`sqlx`] turned on, it is for the types of `chrono`, `time`, `uuid` and for `Json`.
pub trait ToSql<'q>:
    Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres>
{
}

impl<'q, T> ToSql<'q> for T where
    T: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres>
{
}

/// The values for all placeholders of a statement: what [`params!`](crate::params) makes, or a
/// `Vec` of values of one type.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use hereafter_adbapi::{ConnectionPool, params};
/// # use hereafter_reactor::Reactor;
/// # let reactor = Reactor::new()?;
///
/// let pool = ConnectionPool::builder("sqlite::memory:").build()?;
/// let numbers = vec![1_i64, 2, 3];
/// let sum = pool.run_query("SELECT ? + ? + ? AS sum", numbers);
/// let name = pool.run_query("SELECT upper(?) AS name", params!["ada"]);
/// # let stopping = reactor.clone();
/// # let seen = Deferred::from_coroutine(async move {
/// assert_eq!(sum.await?[0].get::<i64>("sum")?, 6);
/// assert_eq!(name.await?[0].get::<String>("name")?, "ADA");
/// # stopping.remote().stop(); Ok(()) });
/// # reactor.run()?;
/// # seen.take_result().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Params<'q> {
    /// Adds the values, in the order of the placeholders.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for one that cannot be encoded.
    fn add_to(self, arguments: &mut Arguments) -> Result<(), Error>;
}

impl Params<'_> for () {
    fn add_to(self, _: &mut Arguments) -> Result<(), Error> {
        Ok(())
    }
}

/// A value, and those after it.
impl<'q, T: ToSql<'q>, P: Params<'q>> Params<'q> for (T, P) {
    fn add_to(self, arguments: &mut Arguments) -> Result<(), Error> {
        arguments.add(self.0)?;
        self.1.add_to(arguments)
    }
}

impl<'q, T: ToSql<'q>> Params<'q> for Vec<T> {
    fn add_to(self, arguments: &mut Arguments) -> Result<(), Error> {
        self.into_iter().try_for_each(|value| arguments.add(value))
    }
}

/// The values for the placeholders of a statement, in their order.
///
/// What may stand there says [`ToSql`].
///
/// # Examples
///
/// ```
/// use hereafter_adbapi::params;
///
/// let name = String::from("Ada");
/// let values = params![1, name.as_str(), None::<i64>];
/// # fn takes<'q>(_: impl hereafter_adbapi::Params<'q>) {}
/// # takes(values);
/// # takes(params![]);
/// ```
#[macro_export]
macro_rules! params {
    () => { () };
    ($first:expr $(, $rest:expr)* $(,)?) => { ($first, $crate::params![$($rest),*]) };
}

/// Values that are encoded for the database which is to get them.
#[derive(Debug)]
pub struct Arguments(pub(crate) Encoded);

#[derive(Debug)]
pub(crate) enum Encoded {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

impl Arguments {
    /// Adds a value.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] when it cannot be encoded.
    pub fn add<'q, T: ToSql<'q>>(&mut self, value: T) -> Result<(), Error> {
        let added = match &mut self.0 {
            Encoded::Sqlite(arguments) => arguments.add(value),
            Encoded::Postgres(arguments) => arguments.add(value),
        };
        added.map_err(|source| Error::Parameter { position: self.len() + 1, source })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Encoded::Sqlite(arguments) => arguments.len(),
            Encoded::Postgres(arguments) => arguments.len(),
        }
    }
}
