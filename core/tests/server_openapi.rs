//! The node does what its OpenAPI document says, whatever it is sent: schemathesis makes requests of the document, right and
//! wrong ones.
#![cfg(feature = "server")]

#[path = "support/market.rs"]
mod market;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/served.rs"]
mod served;

use std::process::Command;

use served::Served;

#[test]
fn whatever_is_sent_the_document_says_what_comes_back() {
    let served = Served::open();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");
    let output = Command::new(peers::python())
        .args(["-m", "schemathesis.cli", "run", &format!("{}/openapi.json", served.server.url())])
        .args(["--max-examples", "40", "--seed", "7", "--continue-on-failure", "--no-color"])
        // Whether bytes are a request that pays, no document can say.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .env("PYTHONPATH", folder)
        .env("SCHEMATHESIS_HOOKS", "openapi_hooks")
        .current_dir(served.folder.path())
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Tested: "), "{said}");
    // And the node is as it was.
    let (exchange, _consumer, order) = served.order();
    let ticket = order.request(&sealock::program::Query::select([sealock::program::count()])).unwrap();
    let (result, receipt) = exchange.node().unwrap().run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();
}
