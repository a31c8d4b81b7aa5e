//! What folding a table takes of memory does not grow with its rows.
//!
//! Each fold is a process of its own, and says the most memory that it has had.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use sealock::asset::{Column, Schema, Table};
use sealock::columns::StoredTable;
use sealock::cube::Cube;
use sealock::policy::Policy;

/// Names the file, in a process that folds it.
const FILE: &str = "SEALOCK_TEST_FOLD";
const FEW: usize = 1 << 20;

fn schema() -> Schema {
    Schema::new(vec![
        Column::integer("a", 0, 255).dimension(),
        Column::integer("b", 0, 255).dimension(),
        Column::integer("x", 0, i64::from(u32::MAX)).measure().nullable(),
        Column::text("who").entity(),
    ])
    .unwrap()
}

fn policy() -> Policy {
    Policy::deny_all().dimensions(["a", "b"]).measures(["x"]).min_group_size(5).entity("who")
}

fn scramble(i: usize, bound: u64) -> u64 {
    ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) % bound
}

fn batches(rows: usize) -> impl Iterator<Item = RecordBatch> {
    let column = |start: usize, f: &dyn Fn(usize) -> Option<i64>| -> ArrayRef {
        Arc::new((start..start + 65_536).map(f).collect::<Int64Array>())
    };
    (0..rows).step_by(65_536).map(move |start| {
        let who = (start..start + 65_536).map(|i| format!("person {}", scramble(i, 100_000)));
        RecordBatch::try_from_iter_with_nullable([
            ("a", column(start, &|i| Some(scramble(i, 256) as i64)), false),
            ("b", column(start, &|i| Some(scramble(i + 7_000_000, 256) as i64)), false),
            ("x", column(start, &|i| (i % 7 > 0).then(|| scramble(i + 9_000_000, 1 << 32) as i64)), true),
            ("who", Arc::new(StringArray::from_iter_values(who)) as ArrayRef, false),
        ])
        .unwrap()
    })
}

/// The most memory that a process took that folds `file`, in KiB.
fn peak(file: &Path) -> u64 {
    let this = std::env::current_exe().unwrap();
    let folding =
        Command::new(this).args(["the_fold_itself", "--exact", "--nocapture"]).env(FILE, file).output().unwrap();
    let said = String::from_utf8_lossy(&folding.stdout).into_owned();
    assert!(folding.status.success(), "{said}");
    let peak = said.lines().find_map(|line| line.split("peak KiB: ").nth(1));
    peak.unwrap_or_else(|| panic!("{said}")).trim().parse().unwrap()
}

/// Run by the other test, and nothing by itself.
#[test]
fn the_fold_itself() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let stored = StoredTable::open(schema(), File::open(path).unwrap()).unwrap();
    let rows = stored.rows();
    let batches = stored.batches(["a", "b", "x", "who"], 0..rows).unwrap();
    let cube = Cube::fold_batches(&schema(), &policy(), batches).unwrap().suppress(5);
    assert_eq!((cube.rows(), cube.suppression().cells), (rows, 65_536));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    println!("\npeak KiB: {}", line.split_whitespace().nth(1).unwrap());
}

#[test]
fn four_times_the_rows_take_no_more_memory() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, rows: usize| {
        let path = folder.path().join(name);
        let table = Table::from_batches(schema(), batches(rows)).unwrap();
        table.write_parquet(File::create(&path).unwrap()).unwrap();
        (path, rows as u64 * 4 * 8 / 1024)
    };
    let ((few, _), (many, in_memory)) = (write("few", FEW), write("many", 4 * FEW));
    let (few, many) = (peak(&few), peak(&many));
    println!(
        "peak: {few} KiB for {FEW} rows, {many} KiB for four times as many, which take {in_memory} KiB and their texts"
    );
    // Cells fill up with the first rows. Beyond them there is the noise of allocators.
    assert!(many < few + few / 4, "{few} KiB, and {many} KiB for four times the rows");
}
