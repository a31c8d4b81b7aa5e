//! Descriptions of an Ocean-like market: every form is read, of the right asset alone, and what is built is read again.

use proptest::prelude::*;
use sealock::{
    Address,
    asset::{
        AssetDescription, AssetError, MarketAlgorithm, MarketCompute, MarketCredentials, MarketDdo, MarketDdoBuilder,
        MarketKind, MarketMatch, MarketRule, MarketService, MarketServiceKind, MarketText, MarketVersion, Metadata,
        TrustedAlgorithm,
    },
    error::{Classify, ErrorKind},
};
use serde_json::{Value, json};

/// A fixture, the asset that it is of, and its chain.
type Fixture = (&'static str, &'static str, u64);

const SERVICES: Fixture =
    (include_str!("interop/ocean/fixtures/v4-services.json"), "0xc0a47dFe034B400B47bDaD5FecDa2621de6c4d95", 1);
const ACCESS: Fixture =
    (include_str!("interop/ocean/fixtures/v5-access.json"), "0x51E2B9Cd09e4D6dE6F3ecb5b0dDE0E1b95ec6A34", 11_155_111);
const ALGORITHM: Fixture =
    (include_str!("interop/ocean/fixtures/v5-algorithm.json"), "0x8d3c7a86DF8bf8a0B5F0B7Dd2A9e65b1d4a6bE10", 8996);
const COMPUTE: Fixture =
    (include_str!("interop/ocean/fixtures/v5-compute.json"), "0x2eAc1d2AD7E8E8a7a4ff9F71BA2CF2ca1Af9C7b1", 137);
const SEALOCK: Fixture =
    (include_str!("fixtures/asset_ddo_v1.json"), "0xBB1081DbF3227bbB233Db68f7117114baBb43656", 31_337);
const FIXTURES: [Fixture; 5] = [SERVICES, ACCESS, ALGORITHM, COMPUTE, SEALOCK];

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn read((json, nft, chain_id): Fixture) -> MarketDdo {
    MarketDdo::read(json.as_bytes(), address(nft), chain_id).unwrap()
}

/// What a fixture reads as with the value at `path` replaced or, for a new field of an object, added.
fn changed((json, nft, chain_id): Fixture, path: &str, value: Value) -> Result<MarketDdo, AssetError> {
    let mut ddo: Value = serde_json::from_str(json).unwrap();
    let (parent, field) = path.rsplit_once('/').unwrap();
    match ddo.pointer_mut(parent).unwrap_or_else(|| panic!("{path}")) {
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        object => object[field] = value,
    }
    MarketDdo::read(ddo.to_string().as_bytes(), address(nft), chain_id)
}

/// What a fixture reads as without the field at `path`.
fn without((json, nft, chain_id): Fixture, path: &str) -> Result<MarketDdo, AssetError> {
    let mut ddo: Value = serde_json::from_str(json).unwrap();
    let (parent, field) = path.rsplit_once('/').unwrap();
    let removed = ddo.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
    assert!(removed.is_some(), "{path}");
    MarketDdo::read(ddo.to_string().as_bytes(), address(nft), chain_id)
}

fn english(text: &str) -> MarketText {
    MarketText { text: text.into(), language: Some("en".into()) }
}

#[test]
fn a_plain_document_is_read() {
    let ddo = read(SERVICES);
    assert_eq!((ddo.version, ddo.schema_version.as_str()), (MarketVersion::V4, "4.7.0"));
    assert_eq!(ddo.did, "did:op:6716b0b4464e1d0e71d6825f7ab50c65614c30939b43d703d9c6c88271ae42c4");
    assert_eq!((ddo.nft, ddo.chain_id), (address(SERVICES.1), 1));
    assert_eq!(ddo.kind, MarketKind::Dataset);
    assert_eq!(ddo.name, "Harvest reports".into());
    assert_eq!(ddo.description, Some("Reports of four hundred farms, by week".into()));
    assert_eq!(ddo.author.as_deref(), Some("Union of Farms"));
    assert_eq!(ddo.license.as_deref(), Some("CC-BY-SA-4.0"));
    assert_eq!(ddo.tags, ["farming", "weekly"]);
    assert_eq!((ddo.created, ddo.updated), (Some(1_683_194_400), Some(1_696_061_700)));
    assert_eq!((&ddo.issuer, &ddo.algorithm, ddo.sealock), (&None, &None, false));
    assert_eq!(
        ddo.credentials,
        MarketCredentials {
            allow: vec![MarketRule {
                kind: "address".into(),
                values: vec![
                    "0xCDE48537Ca2C28084FF560826d0e6388b7c57A51".into(),
                    "0x95cb5b73f2c6efe42cd73a61eb7048314695e372".into(),
                ],
                chain_id: None,
                partial: false,
            }],
            deny: vec![MarketRule::addresses([address("0xF7136Bf514C878A1bAc5A1A1D7EB83f6d823C17F")])],
            ..MarketCredentials::default()
        }
    );
    let [download, compute, archive] = &ddo.services[..] else { panic!("{:?}", ddo.services) };
    assert_eq!((&*download.id, &*compute.id, &*archive.id), ("download", "compute", "archive"));
    assert_eq!(download.kind, MarketServiceKind::Access);
    assert_eq!(download.datatoken, address("0xde5D6C849800fe23deeABc1446AAdea449e6331E"));
    assert_eq!(download.endpoint, "https://v4.provider.example.org");
    assert!(download.files.starts_with("0x04608cdb"));
    assert_eq!((download.timeout_secs, compute.timeout_secs, archive.timeout_secs), (0, 3600, 86_400));
    assert_eq!(download.name, Some("Download".into()));
    assert_eq!(download.description, Some("The reports as CSV".into()));
    assert_eq!((&download.compute, download.state), (&None, None));
    assert_eq!(compute.kind, MarketServiceKind::Compute);
    assert_eq!(
        compute.compute,
        Some(MarketCompute {
            raw_algorithms: false,
            network: true,
            trusted_publishers: vec!["0xa9A089195C68d2AdEeE23beAa2C3A93B1d4cDF09".into()],
            trusted_algorithms: vec![TrustedAlgorithm {
                did: "did:op:a8eacfb9beee25863fcce3a9313534023c9473a5c0778125071f5a8aa69efb3b".into(),
                service_id: Some("9cab2e5a5080dbe6e60117bd57d56d175516b8170d7c922a90cc1bbc2c060210".into()),
                files_checksum: Some("36157fc2cef08bf90798b3b73730f6a7e972e340254374a77457932185a04f29".into()),
                container_checksum: Some("548f478bd3a17cf1dbb6bebc9c5885a29b750611a9881af831125a4db2739fb5".into()),
            }],
            any_algorithm: false,
        })
    );
    assert_eq!(ddo.service("archive"), Some(archive));
    assert_eq!(ddo.service("attic"), None);
}

#[test]
fn a_credential_is_read() {
    let ddo = read(ACCESS);
    assert_eq!((ddo.version, ddo.schema_version.as_str()), (MarketVersion::V5, "5.0.0"));
    assert_eq!(ddo.did, "did:ope:a6a281ccac312ecd223cb934782cc714d17628e194bd43eea50b3eade421f8fc");
    assert_eq!((ddo.nft, ddo.chain_id), (address(ACCESS.1), 11_155_111));
    assert_eq!(ddo.issuer.as_deref(), Some("did:web:registry.example.org"));
    assert_eq!(ddo.kind, MarketKind::Dataset);
    assert_eq!(ddo.name, "Tide gauges of the estuary".into());
    let description = "Water levels of nine gauges, every ten minutes.\nLevels are in millimetres above the datum.";
    assert_eq!(ddo.description, Some(english(description)));
    assert_eq!(ddo.author.as_deref(), Some("Hydrography"));
    assert_eq!(ddo.license.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(ddo.tags, ["tide", "water level"]);
    assert_eq!((ddo.created, ddo.updated), (Some(1_739_266_200), Some(1_748_883_941)));
    assert_eq!(ddo.credentials, MarketCredentials::default());
    let [service] = &ddo.services[..] else { panic!("{:?}", ddo.services) };
    assert_eq!(service.id, "ca453a1bc559d0d00e1c02429c2efc50729c9950945c8721ab3fc3dedcf539d1");
    assert_eq!(service.datatoken, address("0xF055Dc059a9584b56e752F84e3fF0A922b60B632"));
    assert_eq!(service.description, Some(english("The whole table as Parquet")));
    assert_eq!((service.timeout_secs, service.state), (604_800, Some(0)));
    assert_eq!(service.credentials, MarketCredentials::default());
    // Who provides it stands in for an author.
    let ddo = without(ACCESS, "/credentialSubject/metadata/author").unwrap();
    assert_eq!(ddo.author.as_deref(), Some("Harbour Authority"));
}

#[test]
fn an_algorithm_is_read() {
    let ddo = read(ALGORITHM);
    assert_eq!((ddo.kind, ddo.name.text.as_str()), (MarketKind::Algorithm, "Mean stay 日数"));
    assert_eq!(ddo.tags, [""; 0]);
    assert_eq!(
        ddo.algorithm,
        Some(MarketAlgorithm {
            language: Some("Python".into()),
            version: Some("0.3".into()),
            image: "library/python".into(),
            tag: "3.12".into(),
            entrypoint: "python $ALGO".into(),
            checksum: "sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d".into(),
        })
    );
}

#[test]
fn the_rules_of_a_credential_are_read() {
    let ddo = read(COMPUTE);
    let compute = ddo.services[0].compute.as_ref().unwrap();
    assert_eq!((compute.raw_algorithms, compute.network, compute.trusted_algorithms.len()), (false, false, 1));
    let kinds = |rules: &[MarketRule]| rules.iter().map(|rule| rule.kind.clone()).collect::<Vec<_>>();
    let all = [&ddo.credentials, &ddo.services[0].credentials];
    assert!(all.iter().any(|credentials| kinds(&credentials.allow).contains(&"verifiableCredential".into())));
    let lists = all.iter().flat_map(|credentials| &credentials.allow).find(|rule| rule.kind == "accessList").unwrap();
    assert_eq!(lists.values, ["0xa330395Cc0a53AD1207736546AfFf47359409375"]);
    assert_eq!(lists.chain_id, Some(137));
    let denied = address("0x4608C52CD46a96450a48AE518c7f0c3c874024b5");
    assert_eq!(ddo.is_allowed(&denied, &ddo.services[0]), Some(false));
}

#[test]
fn sealocks_own_descriptions_are_read_and_told_apart() {
    assert!(read(SEALOCK).sealock);
    let path = "/services/0/additionalInformation/sealock";
    assert!(!without(SEALOCK, path).unwrap().sealock);
    assert!(!changed(SEALOCK, path, Value::Null).unwrap().sealock);
    assert!(!changed(SEALOCK, "/services/0/additionalInformation", json!(["sealock"])).unwrap().sealock);
}

#[test]
fn another_asset_is_refused() {
    for fixture in FIXTURES {
        let (json, nft, chain_id) = fixture;
        let (id, subject) =
            if read(fixture).version == MarketVersion::V5 { ("/id", "/credentialSubject") } else { ("/id", "") };
        let refused = |result: Result<MarketDdo, AssetError>, field: &str| match result {
            Err(AssetError::InvalidDescription { field: got, .. }) => assert_eq!(got, field),
            other => panic!("{field}: {other:?}"),
        };
        refused(MarketDdo::read(json.as_bytes(), address(nft), chain_id + 1), "chainId");
        refused(MarketDdo::read(json.as_bytes(), Address::from_bytes([9; 20]), chain_id), "nftAddress");
        refused(changed(fixture, &format!("{subject}/chainId"), json!(2)), "chainId");
        refused(changed(fixture, &format!("{subject}/chainId"), json!(0)), "chainId");
        let other = Address::from_bytes([9; 20]).to_string();
        refused(changed(fixture, &format!("{subject}/nftAddress"), other.into()), "nftAddress");
        refused(changed(fixture, &format!("{subject}/nftAddress"), json!("farm")), "nftAddress");
        let did = read(fixture).did;
        for wrong in [
            MarketVersion::V4.did(address(nft), chain_id + 1),
            MarketVersion::V5.did(Address::ZERO, chain_id),
            did.to_uppercase(),
            format!("{did}0"),
            String::new(),
            if did.contains(":ope:") { did.replace(":ope:", ":op:") } else { did.replace(":op:", ":ope:") },
        ] {
            let error = changed(fixture, id, wrong.clone().into()).unwrap_err();
            assert!(matches!(error, AssetError::InvalidDid { .. }), "{wrong}: {error}");
        }
        assert!(without(fixture, id).is_err());
    }
    let other = MarketVersion::V5.did(Address::ZERO, 137);
    let error = changed(COMPUTE, "/credentialSubject/id", other.into()).unwrap_err();
    assert!(matches!(error, AssetError::InvalidDid { .. }), "{error}");
    let other = Address::ZERO.to_string();
    let error = changed(COMPUTE, "/credentialSubject/services/0/nftAddress", other.into()).unwrap_err();
    assert!(error.to_string().contains("services[0].nftAddress"), "{error}");
}

#[test]
fn addresses_may_lack_their_checksum_and_not_have_a_wrong_one() {
    let lower = SERVICES.1.to_lowercase();
    assert_eq!(changed(SERVICES, "/nftAddress", lower.into()).unwrap(), read(SERVICES));
    let wrong = SERVICES.1.replace("dFe", "DFe");
    assert!(changed(SERVICES, "/nftAddress", wrong.into()).is_err());
    let error = changed(SERVICES, "/services/1/datatokenAddress", json!("0x12")).unwrap_err();
    assert!(error.to_string().contains("services[1].datatokenAddress"), "{error}");
}

#[test]
fn the_four_plain_versions_are_read_and_unknown_ones_named() {
    for version in ["4.1.0", "4.3.0", "4.5.0", "4.7.0"] {
        let ddo = changed(SERVICES, "/version", version.into()).unwrap();
        assert_eq!((ddo.version, ddo.schema_version.as_str()), (MarketVersion::V4, version));
    }
    for version in ["", "4", "4.0.0", "4.7.0 ", "5.1.0", "6.0.0", "deprecated", &"9".repeat(1000)] {
        for fixture in [SERVICES, ACCESS] {
            let error = changed(fixture, "/version", version.into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedVersion, "{version}");
            assert!(error.hint().is_some() && error.to_string().len() < 120, "{error}");
        }
    }
    // The form is that of the version.
    assert_eq!(changed(SERVICES, "/version", json!("5.0.0")).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(changed(ACCESS, "/version", json!("4.7.0")).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(changed(SERVICES, "/version", json!(4)).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(without(SERVICES, "/version").unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn what_is_not_known_is_skipped() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "deeper": [deep] });
    }
    for path in ["/later", "/metadata/later", "/services/0/later", "/services/1/compute/later", "/credentials/later"] {
        for value in [json!({"nft": {"state": 0}}), json!([[1.5], null]), json!(true), deep.clone()] {
            assert_eq!(changed(SERVICES, path, value).unwrap(), read(SERVICES), "{path}");
        }
    }
    assert_eq!(changed(SERVICES, "/services/2/additionalInformation", json!(7)).unwrap(), read(SERVICES));
    let proof = json!({"header": {"alg": "ES256"}, "signature": "00"});
    assert_eq!(changed(ACCESS, "/credentialSubject/proof", proof).unwrap(), read(ACCESS));
}

#[test]
fn a_field_may_have_the_forms_that_markets_write() {
    let read = |path: &str, value| changed(ACCESS, &format!("/credentialSubject/metadata{path}"), value).unwrap();
    assert_eq!(read("/name", json!({"@value": "Tides", "@language": "en"})).name, english("Tides"));
    assert_eq!(read("/description", json!("Tides")).description, Some("Tides".into()));
    assert_eq!(read("/description", Value::Null).description, None);
    assert_eq!(read("/license", json!("CC0-1.0")).license.as_deref(), Some("CC0-1.0"));
    assert_eq!(read("/tags", json!("tide")).tags, ["tide"]);
    assert_eq!(read("/tags", Value::Null).tags, [""; 0]);
    assert_eq!(read("/type", json!("saasService")).kind, MarketKind::Other("saasService".into()));
    assert_eq!(read("/created", json!("2025-02-11T09:30:00")).created, Some(1_739_266_200));
    assert_eq!(read("/created", json!("2025-02-11T10:30:00.000+01:00")).created, Some(1_739_266_200));
    assert_eq!(read("/created", json!("1969-12-31T23:59:59Z")).created, None);
    assert_eq!(read("/created", json!("in spring")).created, None);
    for name in [json!("A"), json!({})] {
        let issuer = json!({"id": "did:web:a", "name": name});
        assert_eq!(changed(ACCESS, "/issuer", issuer).unwrap().issuer.as_deref(), Some("did:web:a"));
    }
    let trusted = "/services/1/compute/publisherTrustedAlgorithms";
    for any in [json!("*"), json!(["*"])] {
        let ddo = changed(SERVICES, trusted, any).unwrap();
        let compute = ddo.services[1].compute.as_ref().unwrap();
        assert!(compute.any_algorithm && compute.trusted_algorithms.is_empty());
    }
    assert!(changed(SERVICES, trusted, json!(["all"])).is_err());
    let lonely = json!({"did": "did:op:1", "filesChecksum": "2"});
    let ddo = changed(SERVICES, trusted, lonely).unwrap();
    assert_eq!(ddo.services[1].compute.as_ref().unwrap().trusted_algorithms[0].container_checksum, None);
}

#[test]
fn what_is_required_is_missed() {
    for path in ["/chainId", "/nftAddress", "/metadata", "/metadata/type", "/metadata/name"]
        .into_iter()
        .chain(["/services/0/id", "/services/0/type", "/services/0/files", "/services/0/datatokenAddress"])
        .chain(["/services/0/serviceEndpoint", "/services/0/timeout"])
    {
        let error = without(SERVICES, path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{path}");
        assert!(error.to_string().contains(path.rsplit('/').next().unwrap()), "{path}: {error}");
    }
    for (path, value) in [
        ("/chainId", json!("1")),
        ("/chainId", json!(1.0)),
        ("/chainId", json!(-1)),
        ("/metadata/name", json!(1)),
        ("/metadata/tags", json!([1])),
        ("/services", json!("none")),
        ("/services/0/timeout", json!(-1)),
        ("/services/0/timeout", json!("3600")),
        ("/services/1/compute", json!(true)),
        ("/credentials", json!("nobody")),
    ] {
        assert_eq!(changed(SERVICES, path, value).unwrap_err().kind(), ErrorKind::Malformed, "{path}");
    }
}

#[test]
fn damaged_and_oversized_documents_are_refused() {
    for (json, nft, chain_id) in FIXTURES {
        let read = |bytes: &[u8]| MarketDdo::read(bytes, address(nft), chain_id);
        let json = json.trim_end().as_bytes();
        for end in 0..json.len() {
            assert!(read(&json[..end]).is_err(), "cut at {end}");
        }
        assert!(read(&[json, b"{}"].concat()).is_err());
        let large = [json, &vec![b' '; AssetDescription::MAX_BYTES + 1 - json.len()]].concat();
        assert_eq!(read(&large).unwrap_err().kind(), ErrorKind::TooLarge);
        read(&large[..AssetDescription::MAX_BYTES]).unwrap();
    }
    let (json, nft, chain_id) = SERVICES;
    let read = |text: &str| MarketDdo::read(text.as_bytes(), address(nft), chain_id);
    let twice = json.replacen("\"chainId\":", "\"chainId\": 1, \"chainId\":", 1);
    assert!(read(&twice).is_err(), "one field, two values");
    let room = AssetDescription::MAX_BYTES - json.len() - 40;
    for open in ["[", "{\"name\":", "{\"@value\":", "{\"sealock\":"] {
        let deep = open.repeat(room / open.len());
        assert_eq!(read(&deep).unwrap_err().kind(), ErrorKind::Malformed);
        for field in ["name", "additionalInformation", "description", "later"] {
            let bad = json.replacen("\"metadata\": {", &format!("\"metadata\": {{ \"{field}\": {deep}"), 1);
            assert_eq!(read(&bad).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
    // An unknown field may be as deep as it likes: it is skipped without recursion.
    let deep = format!("{}{}", "[".repeat(room / 2), "]".repeat(room / 2));
    let skipped = json.replacen("\"metadata\": {", &format!("\"metadata\": {{ \"later\": {deep},"), 1);
    read(&skipped).unwrap();
}

#[test]
fn lists_are_bounded_and_messages_short() {
    let tags = |count| changed(SERVICES, "/metadata/tags", vec!["x"; count].into());
    assert_eq!(tags(10_000).unwrap().tags.len(), 10_000);
    assert_eq!(tags(10_001).unwrap_err().kind(), ErrorKind::Malformed);
    let service: Value = serde_json::from_str::<Value>(SERVICES.0).unwrap()["services"][0].take();
    let services = |count| changed(SERVICES, "/services", vec![service.clone(); count].into());
    assert_eq!(services(64).unwrap().services.len(), 64);
    assert_eq!(services(0).unwrap().services, []);
    assert!(services(65).unwrap_err().to_string().contains("64"));
    for path in ["/chainId", "/services/0/timeout", "/services/1/compute/publisherTrustedAlgorithms"] {
        let error = changed(SERVICES, path, json!("y".repeat(100_000))).unwrap_err().to_string();
        assert!(error.len() < 400 && error.contains("line 1 column"), "{error}");
    }
}

#[test]
fn an_account_is_allowed_as_oceans_nodes_would() {
    let [alice, bob, carol] = [1, 2, 3].map(|byte| Address::from_bytes([byte; 20]));
    let allowed = |credentials: Value, account: &Address| {
        changed(SERVICES, "/credentials", credentials).unwrap().credentials.is_allowed(account)
    };
    let rule = |accounts: &[Address]| {
        let values: Vec<String> = accounts.iter().map(|account| account.to_string().to_lowercase()).collect();
        json!({"type": "address", "values": values})
    };
    let list = json!({"type": "accessList", "chainId": 1, "accessList": Address::ZERO.to_string()});
    let everybody = json!({"type": "address", "values": ["*"]});

    for open in [json!({}), json!([]), Value::Null, json!({"allow": [], "deny": []})] {
        assert_eq!(allowed(open, &alice), Some(true));
    }
    assert_eq!(allowed(json!({"allow": [rule(&[alice, bob])]}), &alice), Some(true));
    assert_eq!(allowed(json!({"allow": [rule(&[alice, bob])]}), &carol), Some(false));
    assert_eq!(allowed(json!({"deny": [rule(&[alice])]}), &alice), Some(false));
    assert_eq!(allowed(json!({"deny": [rule(&[alice])]}), &bob), Some(true));
    // Who is denied is denied.
    assert_eq!(allowed(json!({"allow": [rule(&[alice])], "deny": [rule(&[alice])]}), &alice), Some(false));
    assert_eq!(allowed(json!({"allow": [list], "deny": [rule(&[alice])]}), &alice), Some(false));
    assert_eq!(allowed(json!({"allow": [everybody]}), &carol), Some(true));
    assert_eq!(allowed(json!({"allow": [everybody], "deny": [rule(&[carol])]}), &carol), Some(false));
    // Several rules.
    let two = |matching: Value| json!({"allow": [rule(&[alice, bob]), rule(&[alice])], "match_allow": matching});
    for (matching, of_bob) in [(json!("any"), Some(true)), (json!("all"), Some(false)), (Value::Null, None)] {
        assert_eq!(allowed(two(matching.clone()), &alice), Some(true));
        assert_eq!(allowed(two(matching.clone()), &bob), of_bob);
        assert_eq!(allowed(two(matching), &carol), Some(false));
    }
    let two = |matching: Value| json!({"deny": [rule(&[alice, bob]), rule(&[alice])], "match_deny": matching});
    for (matching, of_bob) in [(json!("any"), Some(false)), (json!("all"), Some(true)), (Value::Null, Some(false))] {
        assert_eq!(allowed(two(matching.clone()), &alice), Some(false));
        assert_eq!(allowed(two(matching), &bob), of_bob);
    }
    // What the document alone does not tell.
    assert_eq!(allowed(json!({"allow": [list]}), &alice), None);
    assert_eq!(allowed(json!({"deny": [list]}), &alice), None);
    assert_eq!(allowed(json!({"deny": [everybody]}), &alice), None);
    assert_eq!(allowed(json!({"allow": [list, rule(&[alice])], "match_allow": "any"}), &alice), Some(true));
    assert_eq!(allowed(json!({"allow": [list, rule(&[alice])], "match_allow": "all"}), &bob), Some(false));
    assert_eq!(allowed(json!({"allow": [rule(&[alice])], "match_allow": "most"}), &alice), None);
    assert_eq!(allowed(json!([{"type": "address"}]), &alice), None);
    let object = json!({"type": "address", "values": [{"id": alice.to_string()}]});
    assert_eq!(allowed(json!({"allow": [object]}), &alice), None);

    let ddo = changed(SERVICES, "/services/0/credentials", json!({"deny": [rule(&[alice])]})).unwrap();
    let friend = address("0xCDE48537Ca2C28084FF560826d0e6388b7c57A51");
    assert_eq!(ddo.is_allowed(&friend, &ddo.services[0]), Some(true));
    assert_eq!(ddo.is_allowed(&friend, &ddo.services[1]), Some(true));
    assert_eq!(ddo.services[0].credentials.is_allowed(&alice), Some(false));
}

fn metadata() -> Metadata {
    Metadata {
        created: 1_767_225_600,
        updated: 1_767_225_601,
        name: "Bird counts".into(),
        description: "Counts of garden birds,\nby postcode and month".into(),
        author: "Bird Club".into(),
        license: "CC-BY-4.0".into(),
        tags: vec!["birds".into(), "gardens".into()],
    }
}

fn services() -> [MarketService; 2] {
    let [nft, token] = [7, 8].map(|byte| Address::from_bytes([byte; 20]));
    let endpoint = "https://node.example.org";
    let access = MarketService::new("download", MarketServiceKind::Access, token, endpoint, "0x04ab");
    let compute = MarketService::new("compute", MarketServiceKind::Compute, nft, endpoint, "0x04cd");
    let access = MarketService {
        name: Some("Download".into()),
        description: Some("All counts,\nas CSV".into()),
        timeout_secs: 86_400,
        credentials: MarketCredentials {
            allow: vec![MarketRule::addresses([nft]), MarketRule::addresses([token])],
            match_allow: Some(MarketMatch::Any),
            match_deny: Some(MarketMatch::All),
            ..MarketCredentials::default()
        },
        ..access
    };
    let trusted = |service_id: Option<&str>| TrustedAlgorithm {
        did: MarketVersion::V5.did(nft, 1),
        service_id: service_id.map(Into::into),
        files_checksum: Some("12".into()),
        container_checksum: Some("34".into()),
    };
    let options = MarketCompute {
        raw_algorithms: true,
        network: true,
        trusted_publishers: vec![nft.to_string(), "*".into()],
        trusted_algorithms: vec![trusted(None), trusted(Some("run"))],
        any_algorithm: true,
    };
    [access, MarketService { compute: Some(options), ..compute }]
}

fn credentials() -> MarketCredentials {
    let list = MarketRule {
        kind: "accessList".into(),
        values: vec![Address::ZERO.to_string()],
        chain_id: Some(137),
        partial: false,
    };
    MarketCredentials {
        allow: vec![list],
        deny: vec![MarketRule::addresses([Address::ZERO])],
        ..MarketCredentials::default()
    }
}

#[test]
fn what_is_built_is_read_again() {
    let nft = Address::from_bytes([7; 20]);
    let builder = MarketDdoBuilder::new(nft, 137, metadata());
    let [access, compute] = services();
    let json = builder.clone().service(access.clone()).service(compute.clone()).credentials(credentials()).to_json();
    let ddo = MarketDdo::read(&json.unwrap(), nft, 137).unwrap();
    let expected = MarketDdo {
        version: MarketVersion::V4,
        schema_version: "4.7.0".into(),
        did: MarketVersion::V4.did(nft, 137),
        chain_id: 137,
        nft,
        kind: MarketKind::Dataset,
        name: "Bird counts".into(),
        description: Some("Counts of garden birds,\nby postcode and month".into()),
        author: Some("Bird Club".into()),
        license: Some("CC-BY-4.0".into()),
        tags: vec!["birds".into(), "gardens".into()],
        created: Some(1_767_225_600),
        updated: Some(1_767_225_601),
        algorithm: None,
        services: vec![access.clone(), compute],
        credentials: credentials(),
        issuer: None,
        sealock: false,
    };
    assert_eq!(ddo, expected);

    let algorithm = read(ALGORITHM).algorithm.unwrap();
    let json = builder.algorithm(algorithm.clone()).service(access).to_json().unwrap();
    let ddo = MarketDdo::read(&json, nft, 137).unwrap();
    assert_eq!((ddo.kind, ddo.algorithm), (MarketKind::Algorithm, Some(algorithm)));
    // It is none of Sealock's own.
    assert!(AssetDescription::from_ddo(&json).is_err());
}

#[test]
fn what_oceans_validator_would_refuse_is_not_built() {
    let nft = Address::from_bytes([7; 20]);
    let refused = |builder: MarketDdoBuilder, field: &str| {
        let error = builder.to_json().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{field}");
        assert!(error.to_string().contains(field), "{field}: {error}");
    };
    let with = |change: fn(&mut Metadata)| {
        let mut metadata = metadata();
        change(&mut metadata);
        MarketDdoBuilder::new(nft, 1, metadata).service(services()[0].clone())
    };
    refused(with(|m| m.name = "abc".into()), "metadata.name");
    refused(with(|m| m.name = "🐦".repeat(257)), "metadata.name");
    refused(with(|m| m.description = "too short".into()), "metadata.description");
    refused(with(|m| m.description = "line\u{2028}separator".into()), "metadata.description");
    refused(with(|m| m.author.clear()), "metadata.author");
    refused(with(|m| m.license = "x".repeat(257)), "metadata.license");
    refused(with(|m| m.tags = vec!["x".into(); 65]), "metadata.tags");
    refused(with(|m| m.created = u64::MAX), "metadata.created");
    refused(MarketDdoBuilder::new(nft, 0, metadata()), "chainId");
    refused(MarketDdoBuilder::new(nft, 1, metadata()), "services");
    refused(with(|_| {}).service(services()[0].clone()), "services[1].id");

    let with = |change: fn(&mut MarketService)| {
        let mut service = services()[1].clone();
        change(&mut service);
        MarketDdoBuilder::new(nft, 1, metadata()).service(service)
    };
    with(|_| {}).to_json().unwrap();
    refused(with(|s| s.id = "two\nlines".into()), "services[0].id");
    refused(with(|s| s.kind = MarketServiceKind::Other(String::new())), "services[0].type");
    refused(with(|s| s.endpoint = "http://x".into()), "services[0].serviceEndpoint");
    refused(with(|s| s.files = "0".repeat(8193)), "services[0].files");
    refused(with(|s| s.timeout_secs = u64::MAX), "services[0].timeout");
    refused(with(|s| s.state = Some(0)), "services[0].state");
    refused(with(|s| s.name = Some("abc".into())), "services[0].name");
    refused(with(|s| s.description = Some(english("long enough"))), "services[0].description");
    let of_compute = "services[0].compute.publisherTrustedAlgorithms";
    refused(with(|s| s.compute.as_mut().unwrap().trusted_algorithms[0].files_checksum = None), of_compute);
    refused(with(|s| s.credentials.opaque = true), "services[0].credentials");
    refused(with(|s| s.credentials.allow = vec![MarketRule::addresses([])]), "services[0].credentials.allow.values");
    refused(with(|s| s.credentials.deny = vec![MarketRule { partial: true, ..MarketRule::addresses([]) }]), "deny");
    refused(
        with(|s| {
            let two = MarketRule::addresses([Address::ZERO, Address::ZERO]);
            s.credentials.allow = vec![MarketRule { kind: "accessList".into(), ..two }];
        }),
        "services[0].credentials.allow",
    );
    let many = (0..70).map(|i| MarketService { id: i.to_string(), ..services()[0].clone() });
    refused(many.fold(MarketDdoBuilder::new(nft, 1, metadata()), MarketDdoBuilder::service), "services");
}

/// Where, how much, what to do, and a text to put there.
fn edit() -> impl Strategy<Value = (prop::sample::Index, usize, u8, String)> {
    (any::<prop::sample::Index>(), 0..8_usize, any::<u8>(), "[\\[\\]{}:,\"0-9a-z]{0,6}")
}

proptest! {
    #[test]
    fn any_change_of_a_document_is_read_or_refused(
        which in 0..FIXTURES.len(),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let (json, nft, chain_id) = FIXTURES[which];
        let mut bytes = json.as_bytes().to_vec();
        for (at, length, byte, text) in edits {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + length);
            match byte % 3 {
                0 => bytes[at] = byte,
                1 => drop(bytes.splice(at..end, text.into_bytes())),
                _ => bytes.extend_from_within(at..end),
            }
        }
        if let Ok(ddo) = MarketDdo::read(&bytes, address(nft), chain_id) {
            prop_assert_eq!(ddo.did, ddo.version.did(address(nft), chain_id));
        }
    }

    #[test]
    fn any_value_in_any_place_is_read_or_refused(
        which in 0..FIXTURES.len(),
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            Value::Null, json!(true), json!(-1), json!(1.5), json!(u64::MAX), json!(""), json!("*"), json!([]),
            json!([[]]), json!({}), json!({"@value": {}}), json!([{"type": "address", "values": [null]}]),
            json!({"allow": {"type": ""}}),
        ]),
    ) {
        let (json, nft, chain_id) = FIXTURES[which];
        let mut ddo: Value = serde_json::from_str(json).unwrap();
        let count = visit(&mut ddo, &mut |_| false);
        let mut left = place.index(count);
        visit(&mut ddo, &mut |here| {
            let found = left == 0;
            if found {
                *here = value.clone();
            }
            left = left.wrapping_sub(1);
            found
        });
        if let Ok(ddo) = MarketDdo::read(ddo.to_string().as_bytes(), address(nft), chain_id) {
            prop_assert_eq!(ddo.nft, address(nft));
        }
    }
}

/// Shows every value in a document to `f`, which says whether it has seen enough, and counts them.
fn visit(value: &mut Value, f: &mut dyn FnMut(&mut Value) -> bool) -> usize {
    if f(value) {
        return 1;
    }
    1 + match value {
        Value::Array(items) => items.iter_mut().map(|item| visit(item, f)).sum(),
        Value::Object(fields) => fields.values_mut().map(|field| visit(field, f)).sum(),
        _ => 0,
    }
}
