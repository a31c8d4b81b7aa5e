//! Descriptions: a valid Ocean DDO goes out, and nothing else comes in.

use sealock::{
    Address, Digest,
    asset::{
        AccessKeys, AssetDescription, AssetError, Column, Dataset, Did, Metadata, Mode, OrderTerms, Policy, Schema,
        Sealed, Service, Suppression, Terms,
    },
    error::{Classify, ErrorKind},
};
use serde_json::{Value, json};

fn cid(text: &str) -> cid::Cid {
    text.parse().unwrap()
}

fn description() -> AssetDescription {
    AssetDescription {
        chain_id: 31_337,
        nft: "0xBB1081DbF3227bbB233Db68f7117114baBb43656".parse().unwrap(),
        datatoken: "0xfF4AE9869Cafb5Ff725f962F3Bbc22Fb303A8aD8".parse().unwrap(),
        metadata: Metadata {
            created: 1_767_225_600,
            updated: 1_767_225_601,
            name: "Outpatient visits".into(),
            description: "Outpatient visits by insurance plan.\nOne row per person and year.".into(),
            author: "RAND".into(),
            license: "public domain".into(),
            tags: vec!["health".into(), "insurance".into()],
        },
        service: Service { id: "compute".into(), endpoint: "http://127.0.0.1:8030".into() },
        download: None,
        sealed: Sealed {
            mode: Mode::SealedQuery,
            schema: Schema::new(vec![
                Column::category("plan", ["free", "25%", "95%"]).dimension().describe("share that the patient pays"),
                Column::decimal("disease", 5, 0, 5_860_000).bins([0, 1_000_000, 5_860_000]).dimension(),
                Column::integer("visits", 0, 77).measure().nullable(),
                Column::boolean("limited").dimension(),
            ])
            .unwrap(),
            model: None,
            max_rows: 20_190,
            policy: Policy {
                digest: Digest::of("sealock/v1/policy", &[b"rules"]),
                rules: json!({"dimension_columns": ["plan"], "epsilon": null, "min_group_size": 5}),
            },
            manifest: cid("bafybeihj3cu5obdjfy6bbpxbsx242nokfussxslcn5ssn35orqpoux6geq"),
            encrypted: None,
            dataset: Dataset {
                id: Digest::sha256(b"dataset"),
                epoch: 2,
                contents: Digest::of("sealock/v1/contents", &[b"objects"]),
            },
            access: AccessKeys {
                proving_key: cid("bafkreiglzyh4onwfp5w4muuty4ty75ttvnnyixcmw45cotixuvyasvbcie"),
                digest: Digest::sha256(b"proving key"),
                depth: 16,
            },
            signer: Address::from_bytes([7; 20]),
            order: OrderTerms::from(&Terms::free(3)),
            suppression: Some(Suppression { cells: 131, cells_suppressed: 13, rows_suppressed: 38 }),
        },
    }
}

/// The DDO with one field replaced, or removed.
fn changed(path: &str, value: Option<Value>) -> Vec<u8> {
    let mut ddo = description().to_ddo().unwrap();
    match value {
        Some(value) => *ddo.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value,
        None => {
            let (parent, field) = path.rsplit_once('/').unwrap();
            let removed = ddo.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
            assert!(removed.is_some(), "{path}");
        }
    }
    serde_json::to_vec(&ddo).unwrap()
}

#[test]
fn a_description_survives_its_ddo() {
    let description = description();
    let bytes = description.to_ddo_bytes().unwrap();
    assert_eq!(AssetDescription::from_ddo(&bytes).unwrap(), description);
    // Other software may order and space the fields otherwise.
    let pretty = serde_json::to_vec_pretty(&description.to_ddo().unwrap()).unwrap();
    assert_eq!(AssetDescription::from_ddo(&pretty).unwrap(), description);
    let mut without = description;
    without.sealed.suppression = None;
    assert_eq!(AssetDescription::from_ddo(&without.to_ddo_bytes().unwrap()).unwrap(), without);
}

/// The fixture passed `validateDDO` of `@oceanprotocol/ddo-js` 0.2.0; what is written today must equal it.
#[test]
fn the_ddo_is_the_one_that_oceans_validator_accepted() {
    let accepted = include_str!("fixtures/asset_ddo_v1.json").trim_end();
    assert_eq!(String::from_utf8(description().to_ddo_bytes().unwrap()).unwrap(), accepted);
    assert_eq!(AssetDescription::from_ddo(accepted.as_bytes()).unwrap(), description());
}

#[test]
fn a_did_of_another_asset_is_refused() {
    let other = Did::new(Address::from_bytes([9; 20]), 31_337).to_string();
    let error = AssetDescription::from_ddo(&changed("/id", Some(other.into()))).unwrap_err();
    assert!(matches!(error, AssetError::InvalidDid { .. }), "{error}");
    assert!(AssetDescription::from_ddo(&changed("/chainId", Some(1.into()))).is_err());
    let other_nft = Address::from_bytes([9; 20]).to_string();
    assert!(AssetDescription::from_ddo(&changed("/nftAddress", Some(other_nft.into()))).is_err());
}

#[test]
fn every_field_is_required() {
    const SEALOCK: &str = "/services/0/additionalInformation/sealock";
    for path in [
        "/@context",
        "/id",
        "/version",
        "/chainId",
        "/nftAddress",
        "/metadata",
        "/services",
        "/metadata/created",
        "/metadata/updated",
        "/metadata/type",
        "/metadata/name",
        "/metadata/description",
        "/metadata/author",
        "/metadata/license",
        "/services/0/id",
        "/services/0/type",
        "/services/0/files",
        "/services/0/datatokenAddress",
        "/services/0/serviceEndpoint",
        "/services/0/timeout",
        "/services/0/compute",
        SEALOCK,
    ] {
        assert_eq!(
            AssetDescription::from_ddo(&changed(path, None)).unwrap_err().kind(),
            ErrorKind::Malformed,
            "{path}"
        );
    }
    for field in [
        "version",
        "mode",
        "maxRows",
        "schema",
        "policy",
        "policy/digest",
        "policy/rules",
        "manifest",
        "dataset",
        "dataset/id",
        "dataset/epoch",
        "dataset/contents",
        "access",
        "access/provingKey",
        "access/digest",
        "access/depth",
        "node",
        "node/signer",
        "order",
        "order/limit",
        "order/validitySecs",
        "schema/columns",
        "suppression/cells",
    ] {
        let path = format!("{SEALOCK}/{field}");
        assert_eq!(
            AssetDescription::from_ddo(&changed(&path, None)).unwrap_err().kind(),
            ErrorKind::Malformed,
            "{path}"
        );
    }
}

#[test]
fn every_field_is_checked() {
    let sealock = |field: &str| format!("/services/0/additionalInformation/sealock/{field}");
    let service = |field: &str| format!("/services/0/{field}");
    let lower = "0xbb1081dbf3227bbb233db68f7117114babb43656";
    let mistyped = "0xBB1081DbF3227bbB233Db68f7117114baBb43657";
    for (path, value) in [
        ("/version".into(), json!("4.9.0")),
        ("/version".into(), json!("5.0.0")),
        ("/chainId".into(), json!("31337")),
        ("/chainId".into(), json!(31337.0)),
        ("/nftAddress".into(), json!(lower)),
        ("/nftAddress".into(), json!(mistyped)),
        (service("datatokenAddress"), json!(lower)),
        (service("datatokenAddress"), json!(mistyped)),
        (sealock("node/signer"), json!("0x07")),
        ("/metadata/type".into(), json!("algorithm")),
        ("/metadata/name".into(), json!("abc")),
        ("/metadata/name".into(), json!("x".repeat(513))),
        ("/metadata/name".into(), json!("name\u{1b}[31m")),
        ("/metadata/description".into(), json!("too short")),
        ("/metadata/author".into(), json!("")),
        ("/metadata/license".into(), json!("x".repeat(257))),
        ("/metadata/tags".into(), json!(vec!["tag"; 65])),
        ("/metadata/tags".into(), json!([1])),
        ("/metadata/created".into(), json!("yesterday")),
        ("/metadata/created".into(), json!("1969-12-31T23:59:59Z")),
        ("/metadata/created".into(), json!("2026-02-30T00:00:00Z")),
        ("/metadata/updated".into(), json!(1_767_225_600)),
        ("/services".into(), json!([])),
        (service("type"), json!("access")),
        (service("files"), json!("ipfs://elsewhere")),
        (service("timeout"), json!(1)),
        (service("timeout"), json!(-1)),
        (service("serviceEndpoint"), json!("http://x")),
        (sealock("mode"), json!("clear")),
        (sealock("maxRows"), json!(-1)),
        (sealock("maxRows"), json!(1u64 << 53)),
        (sealock("schema"), json!({})),
        (sealock("schema/columns/2/kind/integer/max"), json!(-1)),
        (sealock("policy/digest"), json!("00")),
        (sealock("policy/digest"), json!("A".repeat(64))),
        (sealock("manifest"), json!("bafy")),
        (sealock("manifest"), json!("BAFYBEIHJ3CU5OBDJFY6BBPXBSX242NOKFUSSXSLCN5SSN35ORQPOUX6GEQ")),
        (sealock("dataset/id"), json!("00")),
        (sealock("dataset/epoch"), json!(1u64 << 53)),
        (sealock("dataset/contents"), json!("A".repeat(64))),
        (sealock("access/depth"), json!(0)),
        (sealock("access/depth"), json!(33)),
        (sealock("access/depth"), json!(256)),
        (sealock("order/limit"), json!(0)),
        (sealock("order/validitySecs"), json!(0)),
        (sealock("suppression/cellsSuppressed"), json!(132)),
        (sealock("suppression/rowsSuppressed"), json!(20_191)),
    ] {
        let error = AssetDescription::from_ddo(&changed(&path, Some(value.clone()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{path} = {value}: {error}");
    }
}

#[test]
fn a_description_that_a_reader_would_refuse_is_not_written() {
    let refuse = |change: fn(&mut AssetDescription)| {
        let mut description = description();
        change(&mut description);
        description.to_ddo_bytes().unwrap_err().kind()
    };
    assert_eq!(refuse(|d| d.metadata.name = "abc".into()), ErrorKind::Malformed);
    assert_eq!(refuse(|d| d.metadata.created = u64::MAX), ErrorKind::Malformed);
    assert_eq!(refuse(|d| d.chain_id = u64::MAX), ErrorKind::Malformed);
    assert_eq!(refuse(|d| d.sealed.order.limit = 0), ErrorKind::Malformed);
    assert_eq!(
        refuse(|d| {
            let names = (0..200_000).map(|i| i.to_string());
            d.sealed.schema = Schema::new(vec![Column::category("code", names)]).unwrap();
        }),
        ErrorKind::TooLarge
    );
}

#[test]
fn oceans_additions_are_ignored_and_strangers_in_our_section_are_not() {
    let mut ddo = description().to_ddo().unwrap();
    ddo["indexedMetadata"] = json!({"nft": {"state": 0}, "stats": [{"orders": 3}]});
    ddo["credentials"] = json!({"allow": [], "deny": []});
    ddo["services"][0]["name"] = "Compute".into();
    assert_eq!(AssetDescription::from_ddo(&serde_json::to_vec(&ddo).unwrap()).unwrap(), description());
    for path in
        ["", "/policy", "/dataset", "/access", "/node", "/order", "/suppression", "/schema", "/schema/columns/0"]
    {
        let mut ddo = description().to_ddo().unwrap();
        let section = ddo.pointer_mut(&format!("/services/0/additionalInformation/sealock{path}")).unwrap();
        section["stranger"] = 1.into();
        assert!(AssetDescription::from_ddo(&serde_json::to_vec(&ddo).unwrap()).is_err(), "{path}");
    }
    let mut two = description().to_ddo().unwrap();
    let service = two["services"][0].clone();
    two["services"].as_array_mut().unwrap().push(service);
    assert!(AssetDescription::from_ddo(&serde_json::to_vec(&two).unwrap()).is_err());
}

#[test]
fn an_unknown_version_is_named_whatever_its_fields_are() {
    let section = json!({"version": 2, "new_field": true});
    let bytes = changed("/services/0/additionalInformation/sealock", Some(section));
    let error = AssetDescription::from_ddo(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    assert!(error.hint().is_some());
}

#[test]
fn damaged_ddos_are_refused() {
    let good = description().to_ddo_bytes().unwrap();
    for end in 0..good.len() {
        assert!(AssetDescription::from_ddo(&good[..end]).is_err(), "cut at {end}");
    }
    assert!(AssetDescription::from_ddo(&[&good[..], b"{}"].concat()).is_err());
    for i in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[i / 8] ^= 1 << (i % 8);
        // Free text may change; whatever is read can be written again.
        if let Ok(other) = AssetDescription::from_ddo(&flipped) {
            assert_eq!(other.did(), description().did(), "bit {i}");
            other.to_ddo_bytes().unwrap();
        }
    }
    let large = vec![b' '; AssetDescription::MAX_BYTES + 1];
    assert_eq!(AssetDescription::from_ddo(&large).unwrap_err().kind(), ErrorKind::TooLarge);
    let deep = "[".repeat(AssetDescription::MAX_BYTES);
    assert_eq!(AssetDescription::from_ddo(deep.as_bytes()).unwrap_err().kind(), ErrorKind::Malformed);
    let twice = String::from_utf8(good).unwrap().replacen("\"chainId\":", "\"chainId\":1,\"chainId\":", 1);
    assert!(AssetDescription::from_ddo(twice.as_bytes()).is_err(), "one field, two values");
}

/// [`description`] with a second service.
fn downloadable() -> AssetDescription {
    let download = Some(Service { id: "access".into(), endpoint: "http://127.0.0.1:8030".into() });
    AssetDescription { download, ..description() }
}

/// As [`the_ddo_is_the_one_that_oceans_validator_accepted`], with an access service.
#[test]
fn the_ddo_with_two_services_is_the_one_that_oceans_validator_accepted() {
    let accepted = include_str!("fixtures/asset_ddo_v1_download.json").trim_end();
    assert_eq!(String::from_utf8(downloadable().to_ddo_bytes().unwrap()).unwrap(), accepted);
    assert_eq!(AssetDescription::from_ddo(accepted.as_bytes()).unwrap(), downloadable());
}

#[test]
fn an_access_service_says_the_same_as_the_compute_service() {
    let ddo = downloadable().to_ddo().unwrap();
    for (field, value) in [
        ("type", json!("compute")),
        ("id", json!("compute")),
        ("id", json!("")),
        ("files", json!("ipfs://elsewhere")),
        ("timeout", json!(1)),
        ("datatokenAddress", json!(Address::from_bytes([9; 20]).to_string())),
        ("serviceEndpoint", json!("http://x")),
        ("compute", ddo["services"][0]["compute"].clone()),
        ("additionalInformation", ddo["services"][0]["additionalInformation"].clone()),
    ] {
        let mut bad = ddo.clone();
        bad["services"][1][field] = value;
        let error = AssetDescription::from_ddo(&serde_json::to_vec(&bad).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{field}: {error}");
    }
    let mut three = ddo.clone();
    let service = three["services"][1].clone();
    three["services"].as_array_mut().unwrap().push(service);
    assert!(AssetDescription::from_ddo(&serde_json::to_vec(&three).unwrap()).is_err());
    let mut alone = ddo;
    alone["services"].as_array_mut().unwrap().remove(0);
    assert!(AssetDescription::from_ddo(&serde_json::to_vec(&alone).unwrap()).is_err());
}
