//! What is exchanged: schema, table, terms and description.
//!
//! An owner declares a [`Schema`], reads its data into a [`Table`] that keeps to it, sets [`Terms`], and publishes an
//! [`AssetDescription`]. The description is public; a table never leaves its owner in the clear. [`MarketDdo`] reads
//! the descriptions of everybody else's assets in an Ocean-like market.

mod cells;
mod column;
mod convert;
mod ddo;
mod description;
mod did;
mod error;
mod infer;
mod market;
mod market_builder;
mod market_json;
pub(crate) mod number;
mod schema;
mod table;
mod terms;
mod value;

pub(crate) use column::MAX_SCALE;
pub use column::{Column, Kind, Role};
pub use description::{
    AccessKeys, AssetDescription, Dataset, EncryptedColumns, Metadata, Mode, OrderTerms, Policy, Sealed, Service,
    Suppression,
};
pub use did::Did;
pub use error::{AssetError, Place};
pub use market::{
    MarketAlgorithm, MarketCompute, MarketCredentials, MarketDdo, MarketKind, MarketMatch, MarketRule, MarketService,
    MarketServiceKind, MarketText, MarketVersion, TrustedAlgorithm,
};
pub use market_builder::MarketDdoBuilder;
pub use schema::Schema;
pub(crate) use table::{BATCH, BatchReader};
pub use table::{Loader, Table};
pub use terms::{Price, Terms};
pub use value::Value;
