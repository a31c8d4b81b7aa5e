//! Makes `include/sealock.h`, and checks that it is up to date.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sealock::ErrorKind;

/// One section of the header each, in its order.
const SECTIONS: [&str; 47] = [
    "error",
    "buffer",
    "library",
    "logging",
    "watch",
    "account",
    "keystore",
    "exchange",
    "store",
    "ipfs",
    "kubo",
    "ledger",
    "ocean",
    "arrow",
    "column",
    "schema",
    "table",
    "policy",
    "offer",
    "owner",
    "asset",
    "consumer",
    "order",
    "ticket",
    "job",
    "receipt",
    "node",
    "remote",
    "recipient",
    "download",
    "epoch",
    "revocation",
    "destruction",
    "query",
    "answer",
    "model",
    "federation",
    "task",
    "executor",
    "releaser",
    "linear",
    "scalar",
    "identity",
    "group",
    "keys",
    "proof",
    "semaphore",
];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The constant of an error kind: `InvalidArgument` is `SEALOCK_ERROR_INVALID_ARGUMENT`.
fn constant(kind: ErrorKind) -> String {
    let mut name = String::from("SEALOCK_ERROR");
    for c in kind.name().chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// The module comment of a file, which opens its section.
fn comment(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let mut lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let title = lines.next().expect("every file says what it is");
    let mut out = format!("\n// {}\n// {title}\n", "=".repeat(title.chars().count()));
    for line in lines.filter(|line| !line.starts_with("```")) {
        writeln!(out, "{}", format!("// {line}").trim_end()).unwrap();
    }
    out
}

fn header() -> String {
    let mut config = cbindgen::Config::from_file(here().join("cbindgen.toml")).unwrap();
    let mut handles = Vec::new();
    let mut body = String::new();
    for section in &SECTIONS {
        let path = here().join("src").join(section).with_extension("rs");
        let source = read(path.clone());
        let structs = source.lines().filter_map(|line| line.strip_prefix("pub struct ")?.strip_suffix(" {"));
        let structs: Vec<String> = structs.map(str::to_owned).collect();
        let opaque = |name: &&String| source.contains(&format!("pub struct {name} {{\n    _opaque"));
        handles.extend(structs.iter().filter(opaque).cloned());
        // Structures that only other sections use are wanted as well.
        config.export.include = structs;
        body += &comment(&source);
        if *section == "error" {
            body += "\n// The kinds of errors. Numbers are never given to another kind.\n";
            for kind in ErrorKind::ALL {
                writeln!(body, "#define {} {}", constant(*kind), kind.code()).unwrap();
            }
        }
        let bindings = cbindgen::Builder::new().with_src(&path).with_config(config.clone()).generate().unwrap();
        let mut text = Vec::new();
        bindings.write(&mut text);
        body += "\n";
        body += String::from_utf8(text).unwrap().trim_start();
        if *section == "library" {
            body += "\n// The version that this header is of: as text, and its numbers.\n";
            writeln!(body, "#define SEALOCK_VERSION \"{}\"", env!("CARGO_PKG_VERSION")).unwrap();
            for (name, number) in [
                ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
                ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
                ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
            ] {
                writeln!(body, "#define SEALOCK_VERSION_{name} {number}").unwrap();
            }
        }
    }
    let mut out = read(here().join("include/preamble.h"));
    out += "\n// Every type of handle. What each is, its section says.\n";
    for handle in handles {
        let typedef = format!("typedef struct {handle} {handle};");
        writeln!(out, "{typedef}").unwrap();
        // C99 has a typedef once.
        body = body.replace(&typedef, &format!("struct {handle};"));
    }
    out += "\n// So much is to do, where nobody knows how much.\n#define SEALOCK_UNKNOWN UINT64_MAX\n";
    out += &body;
    out += "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
    out
}

#[test]
fn the_committed_header_is_that_of_the_source() {
    let path = here().join("include/sealock.h");
    let made = header();
    if std::env::var_os("SEALOCK_WRITE_HEADER").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = read(path);
    let differs = made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    assert!(
        made == committed,
        "include/sealock.h differs from line {:?} on: write it anew with\n    \
         SEALOCK_WRITE_HEADER=1 cargo test --workspace --test header",
        differs.map(|line| line + 1)
    );
}

/// Read back from the text, so that it is not the writing above that is compared with itself.
#[test]
fn the_header_has_the_error_table_of_the_library() {
    let header = read(here().join("include/sealock.h"));
    let found: Vec<(String, u32)> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define SEALOCK_ERROR_")?.split_once(' '))
        .map(|(name, code)| (name.replace('_', "").to_lowercase(), code.parse().unwrap()))
        .collect();
    let kinds: Vec<_> = ErrorKind::ALL.iter().map(|kind| (kind.name().to_lowercase(), kind.code())).collect();
    assert_eq!(found, kinds);
}

#[test]
fn everything_in_the_header_is_prefixed() {
    let header = read(here().join("include/sealock.h"));
    let ours = &header[header.find("// Every type of handle").unwrap()..];
    for line in ours.lines().filter(|line| !line.starts_with("//")) {
        if let Some(defined) = line.strip_prefix("#define ") {
            assert!(defined.starts_with("SEALOCK_"), "{line}");
        }
        if let Some(declared) = line.split_once('(').map(|(before, _)| before).filter(|_| !line.starts_with(' ')) {
            let name = declared.rsplit([' ', '*']).next().unwrap();
            assert!(declared.starts_with("typedef") || name.starts_with("sealock_"), "{line}");
        }
    }
}
