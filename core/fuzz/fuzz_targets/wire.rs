//! What a node and its clients send each other, from anybody: whatever is read is written again as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealock::fhe::table::{EncryptedChunk, EncryptedResult, Filter, Output, Plan, Points};
use sealock::job::JobRequest;
use sealock::ledger::{Applied, SignedTransaction};
use sealock::protocol::{Claim, ExecutorClaim};
use sealock::receipt::Receipt;
use sealock::release::SealedResult;
use sealock::sealed::{ExecutorResult, Part, Task};

const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let again = match kind % 12 {
        0 => Applied::decode(data, LIMIT).ok().and_then(|page| Applied::encode(&page).ok()),
        1 => SignedTransaction::decode(data).ok().and_then(|transaction| transaction.encode().ok()),
        2 => JobRequest::from_bytes(data).ok().and_then(|request| request.to_bytes().ok()),
        3 => Receipt::from_bytes(data).ok().and_then(|receipt| receipt.to_bytes().ok()),
        4 => SealedResult::from_bytes(data).ok().and_then(|result| result.to_bytes().ok()),
        6 => Task::from_bytes(data).ok().and_then(|task| task.to_bytes().ok()),
        7 => Part::from_bytes(data).ok().and_then(|part| part.to_bytes().ok()),
        8 => ExecutorResult::from_bytes(data).ok().and_then(|result| result.to_bytes().ok()),
        9 => EncryptedChunk::from_bytes(data).ok().map(|chunk| chunk.to_bytes()),
        10 => encrypted_result(data),
        _ => {
            let text = String::from_utf8_lossy(data);
            if let Some((deadline, mac)) = Claim::parse(&text) {
                assert_eq!(text.to_lowercase(), format!("sealock {deadline}.{}", hex(&mac)));
            }
            if let Some((deadline, body, signature)) = ExecutorClaim::parse(&text) {
                let (body, signature) = (hex(body.as_bytes()), hex(signature.as_bytes()));
                assert_eq!(text.to_lowercase(), format!("sealock-executor {deadline}.{body}.{signature}"));
            }
            return;
        }
    };
    if let Some(again) = again {
        assert_eq!(again, data, "what is read has one form");
    }
});

/// The result of a plan.
fn encrypted_result(data: &[u8]) -> Option<Vec<u8>> {
    let score = Filter::Score(vec![(0, Points::Times(3)), (1, Points::Times(-2))], 5);
    let plan = Plan::new(&[4, 16], &score, &[Output::Sum(1)]).expect("a plan");
    EncryptedResult::from_bytes(&plan, 1, data).ok().map(|result| result.to_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
