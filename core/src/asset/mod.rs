//! What is exchanged: schema, table, terms and description.
//!
//! An owner declares a [`Schema`], reads its data into a [`Table`] that keeps to it, sets [`Terms`], and publishes an
//! [`AssetDescription`]. The description is public; a table never leaves its owner in the clear.

mod cells;
mod column;
mod convert;
mod ddo;
mod description;
mod did;
mod error;
mod infer;
pub(crate) mod number;
mod schema;
mod table;
mod terms;
mod value;

pub(crate) use column::MAX_SCALE;
pub use column::{Column, Kind, Role};
pub use description::{
    AccessKeys, AssetDescription, Dataset, Metadata, Mode, OrderTerms, Policy, Sealed, Service, Suppression,
};
pub use did::Did;
pub use error::{AssetError, Place};
pub use schema::Schema;
pub use table::{Loader, Table};
pub use terms::{Price, Terms};
pub use value::Value;
