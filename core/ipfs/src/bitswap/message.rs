//! The messages of bitswap 1.2 (<https://specs.ipfs.tech/bitswap-protocol/>).

use asynchronous_codec::Framed;
use bytes::Bytes;
use cid::{Cid, Version};
use libp2p::swarm::Stream;
use multihash::Multihash;
use prost::Message as _;
use sha2::{Digest, Sha256};
use unsigned_varint::codec::UviBytes;

/// The longest message that is read: the limit of the specification.
pub(super) const MAX_MESSAGE: usize = 4 << 20;
/// How many wants, blocks and presences a message may have: each takes two bytes at least, and fifty times as many in memory.
const MAX_PARTS: usize = 1 << 15;
const SHA2_256: u64 = 0x12;
const SHA2_256_LEN: u8 = 32;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Message {
    // Always there, if empty: without it, old versions of Kubo stop (https://github.com/paritytech/litep2p/issues/457).
    #[prost(message, required, tag = "1")]
    pub wants: Wantlist,
    #[prost(message, repeated, tag = "3")]
    pub blocks: Vec<Payload>,
    #[prost(message, repeated, tag = "4")]
    pub presences: Vec<Presence>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Wantlist {
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
    #[prost(bool, tag = "2")]
    pub full: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    #[prost(bytes = "bytes", tag = "1")]
    pub cid: Bytes,
    #[prost(int32, tag = "2")]
    pub priority: i32,
    #[prost(bool, tag = "3")]
    pub cancel: bool,
    #[prost(enumeration = "WantType", tag = "4")]
    pub want: i32,
    #[prost(bool, tag = "5")]
    pub send_dont_have: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum WantType {
    Block = 0,
    Have = 1,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    /// The CID without the digest.
    #[prost(bytes = "bytes", tag = "1")]
    pub prefix: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Presence {
    #[prost(bytes = "bytes", tag = "1")]
    pub cid: Bytes,
    #[prost(enumeration = "PresenceType", tag = "2")]
    pub presence: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum PresenceType {
    Have = 0,
    DontHave = 1,
}

impl Entry {
    fn new(cid: &Cid, want: WantType, cancel: bool) -> Self {
        Self { cid: cid.to_bytes().into(), priority: 1, cancel, want: want.into(), send_dont_have: !cancel }
    }

    pub fn block(cid: &Cid) -> Self {
        Self::new(cid, WantType::Block, false)
    }

    pub fn have(cid: &Cid) -> Self {
        Self::new(cid, WantType::Have, false)
    }

    pub fn cancel(cid: &Cid) -> Self {
        Self::new(cid, WantType::Block, true)
    }
}

impl Message {
    pub fn wanting(entries: Vec<Entry>) -> Self {
        Self { wants: Wantlist { entries, full: false }, ..Self::default() }
    }

    pub fn add_block(&mut self, cid: &Cid, data: Bytes) {
        let mut prefix = Vec::new();
        let hash = cid.hash();
        for number in [cid.version().into(), cid.codec(), hash.code(), hash.size().into()] {
            prefix.extend_from_slice(unsigned_varint::encode::u64(number, &mut unsigned_varint::encode::u64_buffer()));
        }
        self.blocks.push(Payload { prefix: prefix.into(), data });
    }

    pub fn add_presence(&mut self, cid: &Cid, presence: PresenceType) {
        self.presences.push(Presence { cid: cid.to_bytes().into(), presence: presence.into() });
    }

    pub fn is_empty(&self) -> bool {
        self.wants.entries.is_empty() && self.blocks.is_empty() && self.presences.is_empty()
    }
}

/// What a message says, its blocks under the CIDs that their bytes have.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub wants: Vec<Want>,
    /// Whether the wants take the place of all that the peer sent before.
    pub full: bool,
    pub blocks: Vec<(Cid, Bytes)>,
    pub have: Vec<Cid>,
    pub dont_have: Vec<Cid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub cid: Cid,
    pub cancel: bool,
    pub block: bool,
    pub send_dont_have: bool,
}

impl Received {
    /// Reads a message. What says nothing to this node, like a CID that it cannot read, is left out.
    pub fn decode(bytes: Bytes) -> Result<Self, Unreadable> {
        if count_parts(&bytes).is_none_or(|parts| parts > MAX_PARTS) {
            return Err(Unreadable);
        }
        let message = Message::decode(bytes).map_err(|_| Unreadable)?;
        let wants = message.wants.entries.iter().filter_map(|entry| {
            let (cid, block) = (Cid::try_from(&*entry.cid).ok()?, entry.want == WantType::Block as i32);
            Some(Want { cid, cancel: entry.cancel, block, send_dont_have: entry.send_dont_have })
        });
        let mut received = Self { wants: wants.collect(), full: message.wants.full, ..Self::default() };
        for presence in &message.presences {
            if let Ok(cid) = Cid::try_from(&*presence.cid) {
                let dont_have = presence.presence == PresenceType::DontHave as i32;
                if dont_have { &mut received.dont_have } else { &mut received.have }.push(cid);
            }
        }
        let named = message.blocks.into_iter().filter_map(|block| Some((name(&block)?, block.data)));
        received.blocks = named.collect();
        Ok(received)
    }
}

/// Bytes that are no message, or one of too many parts.
#[derive(Debug, thiserror::Error)]
#[error("malformed, or of more than {MAX_PARTS} parts")]
pub(crate) struct Unreadable;

/// How many fields a message has, those of its wantlists included; nothing is allocated for them.
fn count_parts(bytes: &[u8]) -> Option<usize> {
    const WANTS: u64 = 1 << 3 | 2;
    fn fields<'a>(mut rest: &'a [u8], mut each: impl FnMut(u64, &'a [u8]) -> Option<()>) -> Option<()> {
        let number = |rest: &mut &'a [u8]| {
            // Not `unsigned_varint`, which refuses what is longer than it need be.
            let mut value = 0u64;
            for shift in (0..70).step_by(7) {
                let (byte, left) = rest.split_first()?;
                *rest = left;
                value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
                if byte & 0x80 == 0 {
                    return Some(value);
                }
            }
            None
        };
        while !rest.is_empty() {
            let key = number(&mut rest)?;
            let length = match key & 7 {
                0 => number(&mut rest).map(|_| 0)?,
                1 => 8,
                2 => usize::try_from(number(&mut rest)?).ok()?,
                5 => 4,
                _ => return None,
            };
            let (content, left) = rest.split_at_checked(length)?;
            rest = left;
            each(key, content)?;
        }
        Some(())
    }
    let mut count = 0;
    fields(bytes, |key, content| {
        count += 1;
        if key == WANTS {
            fields(content, |_, _| {
                count += 1;
                Some(())
            })
        } else {
            Some(())
        }
    })?;
    Some(count)
}

/// The CID of a block with the version and the codec that its prefix gives: of SHA2-256 alone, which is all that is asked for.
fn name(block: &Payload) -> Option<Cid> {
    let mut rest = &*block.prefix;
    let mut number = || {
        let (number, left) = unsigned_varint::decode::u64(rest).ok()?;
        rest = left;
        Some(number)
    };
    let (version, codec, hash, len) = (number()?, number()?, number()?, number()?);
    if hash != SHA2_256 || len != u64::from(SHA2_256_LEN) {
        return None;
    }
    let digest = Multihash::wrap(SHA2_256, &Sha256::digest(&block.data)).ok()?;
    Cid::new(Version::try_from(version).ok()?, codec, digest).ok()
}

/// A stream that carries messages, each after its length.
pub(super) type Channel = Framed<Stream, UviBytes<Bytes>>;

pub(super) fn channel(stream: Stream) -> Channel {
    let mut codec = UviBytes::default();
    codec.set_max_len(MAX_MESSAGE);
    Framed::new(stream, codec)
}

pub(super) fn encode(message: &Message) -> Bytes {
    message.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(data: &[u8]) -> Cid {
        Cid::new_v1(0x55, Multihash::wrap(SHA2_256, &Sha256::digest(data)).unwrap())
    }

    /// The bytes that the specification's schema gives, written by hand from the wire format of protocol buffers.
    #[test]
    fn messages_are_those_of_the_specification() {
        let cid = raw(b"abc");
        let mut want = vec![0x0a, 44, 0x0a, 42, 0x0a, 36];
        want.extend(cid.to_bytes());
        // Priority 1, a want for a block (0, left out), send_dont_have.
        want.extend([0x10, 1, 0x28, 1]);
        assert_eq!(encode(&Message::wanting(vec![Entry::block(&cid)])), want[..]);

        let mut answer = Message::default();
        answer.add_block(&cid, Bytes::from_static(b"abc"));
        assert_eq!(*encode(&answer), [&[0x0a, 0, 0x1a, 11, 0x0a, 4, 1, 0x55, 0x12, 32, 0x12, 3][..], b"abc"].concat());
        let mut presence = Message::default();
        presence.add_presence(&cid, PresenceType::DontHave);
        let mut expected = vec![0x0a, 0, 0x22, 40, 0x0a, 36];
        expected.extend(cid.to_bytes());
        expected.extend([0x10, 1]);
        assert_eq!(*encode(&presence), expected[..]);
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let (first, second, third) = (raw(b"first"), raw(b"second"), raw(b"third"));
        let mut message = Message::wanting(vec![Entry::have(&first), Entry::cancel(&second)]);
        message.wants.full = true;
        message.add_block(&third, Bytes::from_static(b"third"));
        message.add_presence(&first, PresenceType::Have);
        message.add_presence(&second, PresenceType::DontHave);
        let read = Received::decode(encode(&message)).unwrap();
        let have = Want { cid: first, cancel: false, block: false, send_dont_have: true };
        let cancel = Want { cid: second, cancel: true, block: true, send_dont_have: false };
        assert_eq!((read.full, read.wants), (true, vec![have, cancel]));
        assert_eq!(read.blocks, [(third, Bytes::from_static(b"third"))]);
        assert_eq!((read.have, read.dont_have), (vec![first], vec![second]));
        assert_eq!(Received::decode(Bytes::new()).unwrap().wants, []);
    }

    /// A block is known by its bytes, whatever its sender would have it be.
    #[test]
    fn a_block_is_named_by_its_bytes() {
        let mut message = Message::default();
        message.add_block(&raw(b"asked for"), Bytes::from_static(b"given"));
        assert_eq!(Received::decode(encode(&message)).unwrap().blocks[0].0, raw(b"given"));

        let v0 = Cid::new_v0(*raw(b"old").hash()).unwrap();
        let mut message = Message::default();
        message.add_block(&v0, Bytes::from_static(b"old"));
        assert_eq!(Received::decode(encode(&message)).unwrap().blocks[0].0, v0);

        let unreadable: [&[u8]; 6] =
            [&[], &[1], &[1, 0x55, 0x12], &[1, 0x55, 0x13, 32], &[1, 0x55, 0x12, 31], &[9, 0x55, 0x12, 32]];
        for prefix in unreadable {
            let payload = Payload { prefix: Bytes::from_static(prefix), data: Bytes::from_static(b"x") };
            let message = Message { blocks: vec![payload], ..Message::default() };
            assert!(Received::decode(encode(&message)).unwrap().blocks.is_empty(), "{prefix:?}");
        }
        for garbage in [&[0xff; 40][..], &[0x0a, 100], &[0x1a, 5, 0x0a, 9]] {
            assert!(Received::decode(Bytes::copy_from_slice(garbage)).is_err(), "{garbage:?}");
        }
    }

    /// Attack: 4 MiB of entries of two bytes each.
    #[test]
    fn a_message_of_very_many_entries_is_refused() {
        let entries = (MAX_MESSAGE - 16) / 2;
        let varint = |mut n: usize| {
            let mut out = Vec::new();
            while n >= 0x80 {
                out.push(n as u8 | 0x80);
                n >>= 7;
            }
            out.push(n as u8);
            out
        };
        let nested = [&[0x0a][..], &varint(2 * entries), &[0x0a, 0].repeat(entries)].concat();
        for (what, bytes) in
            [("wants", nested), ("blocks", [0x1a, 0].repeat(entries)), ("presences", [0x22, 0].repeat(entries))]
        {
            assert!(bytes.len() <= MAX_MESSAGE);
            let message = Message::decode(&*bytes).unwrap();
            let taken = message.wants.entries.capacity() * size_of::<Entry>()
                + message.blocks.capacity() * size_of::<Payload>()
                + message.presences.capacity() * size_of::<Presence>();
            println!("{what}: {} bytes become {taken}", bytes.len());
            assert!(Received::decode(bytes.into()).is_err(), "{what}");
        }
        // Named blocks and wants, which reach the behaviour.
        let block = [0x1a, 6, 0x0a, 4, 1, 0x55, 0x12, 32].repeat(MAX_MESSAGE / 8);
        let began = std::time::Instant::now();
        let received = Received::decode(block.into());
        let taken = received.as_ref().map_or(0, |r| r.blocks.capacity() * size_of::<(Cid, Bytes)>());
        println!("empty blocks: {taken} bytes, {:?}", began.elapsed());
        assert!(received.is_err());
    }
}
