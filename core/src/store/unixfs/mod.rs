//! Files as graphs of blocks: UnixFS (<https://specs.ipfs.tech/unixfs/>).
//!
//! A file is cut into raw leaves of one size; inner nodes of at most a fixed number of links are stacked on them so that
//! every leaf has the same depth. [`Profile`] fixes the two numbers, and with them the CID. [`add`] streams a file in,
//! [`Reader`] reads any range of it back and believes nothing that it has not checked.

mod add;
mod node;
mod reader;

pub use add::{Added, Profile, add};
pub use node::{Child, MAX_LINKS, Node};
pub use reader::{MAX_DEPTH, Reader};

pub(crate) use add::read_full;

/// Where a seek within `size` bytes leads. Past the end is allowed, before the start is not, as for a file.
pub(crate) fn seek_to(to: std::io::SeekFrom, position: u64, size: u64) -> std::io::Result<u64> {
    use std::io::SeekFrom;
    let target = match to {
        SeekFrom::Start(n) => Some(n),
        SeekFrom::End(n) => size.checked_add_signed(n),
        SeekFrom::Current(n) => position.checked_add_signed(n),
    };
    target.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "a seek to before the start"))
}
