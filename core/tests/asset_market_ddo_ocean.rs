//! Descriptions of an Ocean-like market under Ocean's own validator.
#![cfg(feature = "ocean")]

use sealock::{
    Address,
    asset::{
        MarketAlgorithm, MarketCompute, MarketCredentials, MarketDdo, MarketDdoBuilder, MarketMatch, MarketRule,
        MarketService, MarketServiceKind, MarketVersion, Metadata, TrustedAlgorithm,
    },
};
use serde_json::{Value, json};

#[path = "support/peers.rs"]
mod peers;
use peers::Peer;

fn assert_valid(validator: &mut Peer, ddo: &Value) {
    let report = validator.ask(json!({"do": "validate", "ddo": ddo}));
    assert_eq!(report["valid"], true, "{report} of {ddo}");
}

/// A text of this many characters, of every kind that may stand in one line.
fn long(length: usize) -> String {
    "a\"\\é日 \t<".chars().cycle().take(length - 1).chain(['z']).collect()
}

fn metadata(name: String, description: String, other: String) -> Metadata {
    let tags = vec![other.clone(), "tag".into()];
    Metadata { created: 0, updated: 253_402_300_799, name, description, author: other.clone(), license: other, tags }
}

#[test]
fn what_is_built_is_valid_at_each_limit() {
    let mut validator = Peer::ocean_validator();
    let nft = Address::from_bytes([0xab; 20]);
    let mut check = |builder: MarketDdoBuilder, chain_id| {
        let json = builder.to_json().unwrap();
        MarketDdo::read(&json, nft, chain_id).unwrap();
        assert_valid(&mut validator, &serde_json::from_slice(&json).unwrap());
    };

    let least = MarketService::new("1", MarketServiceKind::Access, nft, "https://a.", "0");
    let short = metadata("four".into(), "ten\nand\tmo".into(), "x".into());
    check(MarketDdoBuilder::new(nft, 1, short).service(least.clone()), 1);

    let rules = |kind: &str, count| MarketRule {
        kind: kind.into(),
        values: (0..count).map(|i| format!("{i}{}", long(1000))).collect(),
        chain_id: Some((1 << 53) - 1),
        partial: false,
    };
    let credentials = MarketCredentials {
        allow: vec![
            MarketRule::addresses([nft, Address::ZERO]),
            MarketRule { values: vec![nft.to_string()], ..rules("accessList", 1) },
        ],
        deny: vec![rules(&long(256), 3), MarketRule { values: vec!["*".into()], ..rules("address", 1) }],
        match_allow: Some(MarketMatch::Any),
        match_deny: Some(MarketMatch::All),
        opaque: false,
    };
    let trusted = |service_id: Option<String>| TrustedAlgorithm {
        did: MarketVersion::V5.did(nft, 1),
        service_id,
        files_checksum: Some(long(1024)),
        container_checksum: Some("1".into()),
    };
    let most = |id: usize| MarketService {
        id: format!("{id}{}", long(250)),
        kind: MarketServiceKind::Compute,
        endpoint: long(2048),
        files: long(8192),
        timeout_secs: (1 << 53) - 1,
        name: Some(long(256).as_str().into()),
        description: Some(format!("{}\n", long(6999)).as_str().into()),
        credentials: credentials.clone(),
        compute: Some(MarketCompute {
            raw_algorithms: true,
            network: false,
            trusted_publishers: vec!["*".into(), nft.to_string()],
            trusted_algorithms: vec![trusted(None), trusted(Some(long(1024)))],
            any_algorithm: true,
        }),
        ..least.clone()
    };
    let large = || MarketDdoBuilder::new(nft, 137, metadata(long(512), long(7000), long(256)));
    check(large().service(most(1)).service(most(2)).credentials(credentials.clone()), 137);
    let many = (0..64).map(|i| MarketService { id: i.to_string(), ..least.clone() });
    check(many.fold(large(), MarketDdoBuilder::service), 137);

    let algorithm = MarketAlgorithm {
        language: Some(String::new()),
        version: Some(long(256)),
        image: "i".into(),
        tag: long(256),
        entrypoint: "run".into(),
        checksum: "sha256:".into(),
    };
    let plain = MarketAlgorithm { language: None, version: None, ..algorithm.clone() };
    for algorithm in [algorithm, plain] {
        check(large().algorithm(algorithm).service(least.clone()).credentials(MarketCredentials::default()), 137);
    }
    let none = MarketCompute::default();
    check(large().service(MarketService { compute: Some(none), ..least.clone() }), 137);
}

/// The limits that the builder keeps are the validator's.
#[test]
fn the_validator_refuses_what_the_builder_would_not_write() {
    let mut validator = Peer::ocean_validator();
    let fixture: Value = serde_json::from_str(include_str!("interop/ocean/fixtures/v4-services.json")).unwrap();
    for (path, value) in [
        ("/metadata/name", json!(long(513))),
        ("/metadata/name", json!("🐦".repeat(257))),
        ("/metadata/description", json!("too short")),
        ("/metadata/description", json!("line\u{2028}separator")),
        ("/services/0/id", json!("two\nlines")),
        ("/services/0/name", json!("abc")),
        ("/services/0/files", json!(long(8193))),
        ("/services/0/serviceEndpoint", json!("http://x")),
        ("/credentials/allow/0/values", json!([])),
        ("/services/1/compute/publisherTrustedAlgorithms/0", json!({"did": "did:op:1", "filesChecksum": "2"})),
    ] {
        let mut ddo = fixture.clone();
        *ddo.pointer_mut(path).unwrap() = value;
        assert_eq!(validator.ask(json!({"do": "validate", "ddo": ddo}))["valid"], false, "{path}");
    }
}

#[test]
fn the_validator_and_the_reader_agree_on_the_fixtures() {
    let mut validator = Peer::ocean_validator();
    for json in [
        include_str!("interop/ocean/fixtures/v4-services.json"),
        include_str!("interop/ocean/fixtures/v5-access.json"),
        include_str!("interop/ocean/fixtures/v5-algorithm.json"),
        include_str!("interop/ocean/fixtures/v5-compute.json"),
    ] {
        let ddo: Value = serde_json::from_str(json).unwrap();
        assert_valid(&mut validator, &ddo);
        let fields = ddo.get("credentialSubject").unwrap_or(&ddo);
        let nft: Address = fields["nftAddress"].as_str().unwrap().parse().unwrap();
        let read = MarketDdo::read(json.as_bytes(), nft, fields["chainId"].as_u64().unwrap()).unwrap();
        assert_eq!(read.did, ddo["id"].as_str().unwrap());
    }
}

#[test]
fn identifiers_are_oceans() {
    let mut validator = Peer::ocean_validator();
    for byte in [0, 0xab, 0xff] {
        for chain_id in [1, 137, 11_155_111, (1 << 53) - 1] {
            let nft = Address::from_bytes([byte; 20]);
            let mut named = |version: Option<&str>| {
                let mut command = json!({"do": "did", "nft": nft.to_string().to_lowercase(), "chainId": chain_id});
                if let Some(version) = version {
                    command["version"] = version.into();
                }
                validator.ask_text(command, "did")
            };
            assert_eq!(named(None), MarketVersion::V4.did(nft, chain_id));
            assert_eq!(named(Some("4.7.0")), MarketVersion::V4.did(nft, chain_id));
            assert_eq!(named(Some("5.0.0")), MarketVersion::V5.did(nft, chain_id));
        }
    }
}
