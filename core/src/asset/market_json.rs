//! The JSON of any Ocean DDO, read leniently: what a market may write in several forms is taken in each, and what is
//! not known is skipped without being kept in memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::StrDeserializer},
};

/// Most items of any list but that of the services.
pub(super) const MAX_ITEMS: usize = 10_000;

/// The version alone, which says how the rest is to be read.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) version: String,
}

/// Version 5: the fields of version 4 lie under `credentialSubject`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credential {
    pub(super) id: String,
    pub(super) issuer: Option<Loose>,
    pub(super) credential_subject: Fields,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields {
    pub(super) id: Option<String>,
    pub(super) chain_id: u64,
    pub(super) nft_address: String,
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) services: List<Service>,
    #[serde(default)]
    pub(super) credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) created: Option<String>,
    pub(super) updated: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Loose,
    pub(super) description: Option<Loose>,
    pub(super) author: Option<String>,
    /// Version 5 requires it, and not an author.
    pub(super) provided_by: Option<String>,
    pub(super) license: Option<Loose>,
    #[serde(default)]
    pub(super) tags: List<String>,
    pub(super) algorithm: Option<Algorithm>,
}

#[derive(Deserialize)]
pub(super) struct Algorithm {
    pub(super) language: Option<String>,
    pub(super) version: Option<String>,
    pub(super) container: Container,
}

#[derive(Deserialize)]
pub(super) struct Container {
    pub(super) image: String,
    pub(super) tag: String,
    pub(super) entrypoint: String,
    pub(super) checksum: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Option<Loose>,
    pub(super) description: Option<Loose>,
    pub(super) files: String,
    pub(super) datatoken_address: String,
    /// In version 5 alone.
    pub(super) nft_address: Option<String>,
    pub(super) service_endpoint: String,
    pub(super) timeout: u64,
    pub(super) state: Option<u64>,
    pub(super) compute: Option<Compute>,
    #[serde(default)]
    pub(super) credentials: Credentials,
    pub(super) additional_information: Option<Loose>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Compute {
    #[serde(default)]
    pub(super) allow_raw_algorithm: bool,
    #[serde(default)]
    pub(super) allow_network_access: bool,
    #[serde(default)]
    pub(super) publisher_trusted_algorithm_publishers: List<String>,
    #[serde(default)]
    pub(super) publisher_trusted_algorithms: List<Trusted>,
}

/// An algorithm, or `*` for any.
pub(super) enum Trusted {
    Any,
    One(TrustedFields),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrustedFields {
    pub(super) did: String,
    pub(super) service_id: Option<String>,
    pub(super) files_checksum: Option<String>,
    pub(super) container_section_checksum: Option<String>,
}

/// Rules on who may use an asset, in the form `{allow, deny}`.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) fields: CredentialFields,
    /// Something else stood there.
    pub(super) opaque: bool,
}

#[derive(Default, Deserialize)]
pub(super) struct CredentialFields {
    #[serde(default)]
    pub(super) allow: List<Rule>,
    #[serde(default)]
    pub(super) deny: List<Rule>,
    pub(super) match_allow: Option<String>,
    pub(super) match_deny: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) values: List<Loose>,
    pub(super) access_list: Option<String>,
    pub(super) chain_id: Option<u64>,
}

/// A list; JSON-LD writes one of a single item without brackets, and an empty one as null.
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Any JSON value, of which the text that it stands for is kept.
#[derive(Default)]
pub(super) struct Loose {
    /// The text, or that under `@value`, `id` (of an issuer) or `name` (of a licence).
    pub(super) text: Option<String>,
    /// What stands under `@language`.
    pub(super) language: Option<String>,
    /// Whether it is an object.
    pub(super) object: bool,
    /// Whether an object stands under `sealock`.
    pub(super) sealock: bool,
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose::default())
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Loose, E> {
                Ok(Loose::default())
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Loose, E> {
                Ok(Loose::default())
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose::default())
            }
            fn visit_unit<E: Error>(self) -> Result<Loose, E> {
                Ok(Loose::default())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose { text: Some(text.into()), ..Loose::default() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Loose, A::Error> {
                let mut loose = Loose { object: true, ..Loose::default() };
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "@value" | "id" => loose.text = fields.next_value::<Loose>()?.text,
                        "name" => {
                            let name = fields.next_value::<Loose>()?.text;
                            loose.text = loose.text.or(name);
                        }
                        "@language" => loose.language = fields.next_value::<Loose>()?.text,
                        "sealock" => loose.sealock = fields.next_value::<Loose>()?.object,
                        _ => drop(fields.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(loose)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E: Error>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
                Ok(List(vec![T::deserialize(StrDeserializer::new(text))?]))
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<List<T>, A::Error> {
                Ok(List(vec![T::deserialize(MapAccessDeserializer::new(fields))?]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    if list.len() == MAX_ITEMS {
                        return Err(A::Error::custom(format_args!("expected at most {MAX_ITEMS} items, got more")));
                    }
                    list.push(item);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(Items(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Trusted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Trusted;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a trusted algorithm, or \"*\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Trusted, E> {
                if text == "*" {
                    Ok(Trusted::Any)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Trusted, A::Error> {
                TrustedFields::deserialize(MapAccessDeserializer::new(fields)).map(Trusted::One)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rules;
        impl<'de> Visitor<'de> for Rules {
            type Value = Credentials;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("credentials")
            }
            fn visit_unit<E: Error>(self) -> Result<Credentials, E> {
                Ok(Credentials::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Credentials, A::Error> {
                let fields = CredentialFields::deserialize(MapAccessDeserializer::new(fields))?;
                Ok(Credentials { fields, opaque: false })
            }
            /// Version 5 writes an empty list where there are no rules. What a list of some would mean is nowhere said.
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Credentials, A::Error> {
                let mut opaque = false;
                while items.next_element::<IgnoredAny>()?.is_some() {
                    opaque = true;
                }
                Ok(Credentials { opaque, ..Credentials::default() })
            }
        }
        deserializer.deserialize_any(Rules)
    }
}
