//! A compute node, and what its owner does with it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealock::cli::main(std::env::args_os())
}
