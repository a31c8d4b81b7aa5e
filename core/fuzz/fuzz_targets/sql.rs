//! A query from anybody, as SQL: it is refused, or is what it writes itself as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealock::program::Query;

fuzz_target!(|text: &str| {
    let Ok(query) = Query::from_sql(text) else { return };
    let written = query.to_sql().replace("SECRET(?)", "SECRET(1)");
    let Ok(read) = Query::from_sql(&written) else {
        // What is written is longer than what was read, by quotes and points.
        assert!(written.len() > sealock::program::MAX_SQL_BYTES, "what was written is read");
        return;
    };
    assert_eq!(read.program(), query.program());
});
