//! A manifest from anybody, as it stands and signed by whoever wrote it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sealock::envelope::{Manifest, ManifestBody};
use sealock::{Account, Address};

static OWNER: LazyLock<Account> =
    LazyLock::new(|| Account::from_secret_bytes(&[7; 32]).expect("a number below the order of the group"));

fuzz_target!(|data: &[u8]| {
    let _ = Manifest::decode(data, Address::ZERO);
    // An owner may sign whatever it likes.
    let Ok(mut body) = serde_ipld_dagcbor::from_slice::<ManifestBody>(data) else { return };
    body.owner = OWNER.address();
    if let Ok(signed) = Manifest::sign(&OWNER, body) {
        let read = Manifest::decode(signed.block().bytes(), OWNER.address()).expect("what was signed is read");
        assert_eq!(read, signed);
    }
});
