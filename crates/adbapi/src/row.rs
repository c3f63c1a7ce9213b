//! A row of a query's result, and what can be read from it.
//!
//! The driver would read SQLite's NULL as 0 or an empty text, and a PostgreSQL `int4` as nothing
//! but an `i32`. So what a value is read as is decided here, by the same rules for both.

use crate::error::ColumnError;
use core::any::type_name;
use core::fmt;
use sqlx::decode::Decode;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Row as _, Type, ValueRef as _};

/// Which column: its name, or its place counted from 0.
pub trait Column {
    /// Its place in a row with columns of these names.
    ///
    /// # Errors
    ///
    /// [`ColumnError::Missing`] when there is none.
    fn place(&self, row: &Row) -> Result<usize, ColumnError>;
}

impl Column for str {
    fn place(&self, row: &Row) -> Result<usize, ColumnError> {
        let mut names = row.columns();
        names.position(|name| name == self).ok_or_else(|| row.missing(format!("`{self}`")))
    }
}

impl Column for usize {
    fn place(&self, row: &Row) -> Result<usize, ColumnError> {
        if *self < row.len() { Ok(*self) } else { Err(row.missing(format!("number {self}"))) }
    }
}

impl<C: Column + ?Sized> Column for &C {
    fn place(&self, row: &Row) -> Result<usize, ColumnError> {
        (**self).place(row)
    }
}

/// A row of a query's result: values by the name of their column, or by their place.
///
/// # Examples
///
/// ```
/// use hereafter_adbapi::{Error, Row};
///
/// fn greeting(row: &Row) -> Result<String, hereafter_adbapi::ColumnError> {
///     let age: Option<i64> = row.get("age")?;
///     let name: String = row.get("name")?;
///     Ok(age.map_or(format!("Hello {name}"), |age| format!("Hello {name}, who is {age}")))
/// }
/// ```
pub struct Row(Driver);

enum Driver {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Driver::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Driver::Postgres(row))
    }
}

impl Row {
    /// The value in a column.
    ///
    /// # Errors
    ///
    /// When there is no such column, its value is of another type or does not fit, or it is `NULL`
    /// and `T` is no `Option`; the message says which.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(row: &hereafter_adbapi::Row) -> Result<(), hereafter_adbapi::ColumnError> {
    /// let by_name: i64 = row.get("id")?;
    /// let by_place = row.get::<Option<String>>(1)?;
    /// # Ok(()) }
    /// ```
    pub fn get<T: FromSql>(&self, column: impl Column) -> Result<T, ColumnError> {
        let value = self.value(column)?;
        if value.is_null() {
            T::from_null().ok_or_else(|| value.null::<T>())
        } else {
            T::from_sql(&value)
        }
    }

    /// The value in a column, of a type that only the driver knows, such as those of `chrono`,
    /// `time` and `uuid` (by [`sqlx`]'s features of these names); `None` for `NULL`.
    ///
    /// # Errors
    ///
    /// As [`get`](Row::get).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(row: &hereafter_adbapi::Row) -> Result<(), hereafter_adbapi::ColumnError> {
    /// let name = row.get_native::<Box<str>>("name")?;
    /// # Ok(()) }
    /// ```
    pub fn get_native<T: Native>(&self, column: impl Column) -> Result<Option<T>, ColumnError> {
        let value = self.value(column)?;
        if value.is_null() { Ok(None) } else { value.read().map(Some) }
    }

    fn value(&self, column: impl Column) -> Result<Value<'_>, ColumnError> {
        Ok(Value { row: self, place: column.place(self)? })
    }

    /// All values at once, as a tuple with one field for each column.
    ///
    /// # Errors
    ///
    /// As [`get`](Row::get), and when there are more or fewer columns.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(row: &hereafter_adbapi::Row) -> Result<(), hereafter_adbapi::ColumnError> {
    /// let (id, name) = row.read::<(i64, String)>()?;
    /// # Ok(()) }
    /// ```
    pub fn read<T: FromRow>(&self) -> Result<T, ColumnError> {
        T::from_row(self)
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Driver::Sqlite(row) => row.len(),
            Driver::Postgres(row) => row.len(),
        }
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the columns.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(row: &hereafter_adbapi::Row) {
    /// let heading = row.columns().collect::<Vec<_>>().join(" | ");
    /// # }
    /// ```
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let (sqlite, postgres) = match &self.0 {
            Driver::Sqlite(row) => (Some(row.columns()), None),
            Driver::Postgres(row) => (None, Some(row.columns())),
        };
        let sqlite = sqlite.into_iter().flatten().map(sqlx::Column::name);
        sqlite.chain(postgres.into_iter().flatten().map(sqlx::Column::name))
    }

    fn missing(&self, wanted: String) -> ColumnError {
        ColumnError::Missing { wanted, columns: self.columns().map(str::to_owned).collect() }
    }
}

impl fmt::Debug for Row {
    /// The names of the columns; the values are nobody's business in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row")?;
        f.debug_list().entries(self.columns()).finish()
    }
}

/// What a whole row can be [read](Row::read) as: tuples of up to eight fields. Types of your own
/// may implement it.
///
/// # Examples
///
/// ```
/// use hereafter_adbapi::{ColumnError, FromRow, Row};
///
/// struct User {
///     id: i64,
///     name: String,
/// }
///
/// impl FromRow for User {
///     fn from_row(row: &Row) -> Result<Self, ColumnError> {
///         Ok(Self { id: row.get("id")?, name: row.get("name")? })
///     }
/// }
/// ```
pub trait FromRow: Sized {
    /// Makes one of the row.
    ///
    /// # Errors
    ///
    /// When the columns are not those that it needs.
    fn from_row(row: &Row) -> Result<Self, ColumnError>;
}

macro_rules! tuples {
    ($($count:literal: $($field:ident $place:literal)*;)*) => {
        $(
            impl<$($field: FromSql),*> FromRow for ($($field,)*) {
                fn from_row(row: &Row) -> Result<Self, ColumnError> {
                    if row.len() != $count {
                        let columns = row.columns().map(str::to_owned).collect();
                        return Err(ColumnError::Count { wanted: $count, columns });
                    }
                    Ok(($(row.get::<$field>($place)?,)*))
                }
            }
        )*
    };
}

tuples! {
    1: A 0;
    2: A 0 B 1;
    3: A 0 B 1 C 2;
    4: A 0 B 1 C 2 D 3;
    5: A 0 B 1 C 2 D 3 E 4;
    6: A 0 B 1 C 2 D 3 E 4 F 5;
    7: A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    8: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
}

/// What can be read from a column.
///
/// It is implemented for `bool`, `i8` to `i64`, `f32`, `f64`, `String`, `Vec<u8>`, and for `Option`s
/// of them, whose `None` is `NULL`. A whole number is read as any type of whole numbers that it fits
/// into, and as an `f64`. For types that only the driver knows, see [`Row::get_native`]. Types of
/// your own may implement it.
///
/// # Examples
///
/// ```
/// use hereafter_adbapi::{ColumnError, FromSql, Value};
///
/// #[derive(Debug)]
/// struct UserId(i64);
///
/// impl FromSql for UserId {
///     fn from_sql(value: &Value<'_>) -> Result<Self, ColumnError> {
///         i64::from_sql(value).map(Self)
///     }
/// }
/// ```
pub trait FromSql: Sized {
    /// Reads a value that is not `NULL`.
    ///
    /// # Errors
    ///
    /// When it is of another type, or does not fit.
    fn from_sql(value: &Value<'_>) -> Result<Self, ColumnError>;

    /// What stands for `NULL`; `None` when nothing does.
    fn from_null() -> Option<Self> {
        None
    }
}

impl<T: FromSql> FromSql for Option<T> {
    fn from_sql(value: &Value<'_>) -> Result<Self, ColumnError> {
        T::from_sql(value).map(Some)
    }

    fn from_null() -> Option<Self> {
        Some(None)
    }
}

/// What both drivers can read.
pub trait Native:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Native for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

/// A value in a row, for [`FromSql`] to read.
#[derive(Debug)]
pub struct Value<'r> {
    row: &'r Row,
    place: usize,
}

impl Value<'_> {
    /// Reads it as the driver does.
    ///
    /// # Errors
    ///
    /// When it is of another type, or does not fit.
    pub fn read<T: Native>(&self) -> Result<T, ColumnError> {
        self.decode().unwrap_or_else(|| Err(self.wrong_type::<T>()))
    }

    /// Reads it, if it is of a type that the driver reads as a `T`.
    fn decode<T: Native>(&self) -> Option<Result<T, ColumnError>> {
        fn decode<'r, R: sqlx::Row, T>(row: &'r R, place: usize) -> Option<Result<T, BoxDynError>>
        where
            T: Decode<'r, R::Database> + Type<R::Database>,
            usize: sqlx::ColumnIndex<R>,
        {
            match row.try_get_raw(place) {
                Ok(value) => T::compatible(&value.type_info()).then(|| T::decode(value)),
                Err(error) => Some(Err(error.into())),
            }
        }
        let decoded = match &self.row.0 {
            Driver::Sqlite(row) => decode(row, self.place),
            Driver::Postgres(row) => decode(row, self.place),
        };
        decoded.map(|value| value.map_err(|source| self.undecodable(source)))
    }

    /// Reads a whole number, however wide it is.
    fn whole(&self) -> Option<Result<i64, ColumnError>> {
        self.decode::<i64>()
            .or_else(|| Some(self.decode::<i32>()?.map(i64::from)))
            .or_else(|| Some(self.decode::<i16>()?.map(i64::from)))
    }

    fn is_null(&self) -> bool {
        match &self.row.0 {
            Driver::Sqlite(row) => row.try_get_raw(self.place).is_ok_and(|value| value.is_null()),
            Driver::Postgres(row) => row.try_get_raw(self.place).is_ok_and(|value| value.is_null()),
        }
    }

    /// The name of its type in the database.
    fn sql_type(&self) -> String {
        let name = match &self.row.0 {
            Driver::Sqlite(row) => {
                row.try_get_raw(self.place).map(|value| value.type_info().to_string())
            }
            Driver::Postgres(row) => {
                row.try_get_raw(self.place).map(|value| value.type_info().to_string())
            }
        };
        name.unwrap_or_default()
    }

    fn column(&self) -> String {
        self.row.columns().nth(self.place).unwrap_or_default().to_owned()
    }

    fn null<T>(&self) -> ColumnError {
        ColumnError::Null { column: self.column(), rust: type_name::<T>() }
    }

    fn undecodable(&self, source: impl Into<BoxDynError>) -> ColumnError {
        ColumnError::Undecodable { column: self.column(), source: source.into() }
    }

    fn wrong_type<T>(&self) -> ColumnError {
        let sql = self.sql_type();
        let instead = rust_type(&sql);
        ColumnError::Type { column: self.column(), sql, rust: type_name::<T>(), instead }
    }
}

/// The usual Rust type for a type of the database.
fn rust_type(sql: &str) -> Option<&'static str> {
    Some(match sql {
        "BOOL" | "BOOLEAN" => "bool",
        "INT2" | "INT4" | "INT8" | "INTEGER" => "i64",
        "FLOAT4" | "FLOAT8" | "REAL" => "f64",
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" => "String",
        "BYTEA" | "BLOB" => "Vec<u8>",
        _ => return None,
    })
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {
        $(
            impl FromSql for $number {
                fn from_sql(value: &Value<'_>) -> Result<Self, ColumnError> {
                    let wide = value.whole().unwrap_or_else(|| Err(value.wrong_type::<Self>()))?;
                    wide.try_into().map_err(|_| {
                        value.undecodable(format!("{wide} does not fit into {}", type_name::<Self>()))
                    })
                }
            }
        )*
    };
}

whole_numbers! { i8 i16 i32 i64 }

impl FromSql for f64 {
    fn from_sql(value: &Value<'_>) -> Result<Self, ColumnError> {
        #[allow(clippy::cast_precision_loss, reason = "as the databases do it themselves")]
        let from_whole = |whole: Result<i64, _>| whole.map(|whole| whole as Self);
        value
            .decode()
            .or_else(|| Some(value.decode::<f32>()?.map(Self::from)))
            .or_else(|| value.whole().map(from_whole))
            .unwrap_or_else(|| Err(value.wrong_type::<Self>()))
    }
}

macro_rules! as_the_driver_does {
    ($($type:ty)*) => {
        $(
            impl FromSql for $type {
                fn from_sql(value: &Value<'_>) -> Result<Self, ColumnError> {
                    value.read()
                }
            }
        )*
    };
}

as_the_driver_does! { bool f32 String Vec<u8> }
