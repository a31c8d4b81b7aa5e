//! Graphs of blocks from anybody: nodes, links, and files that say anything of themselves.
#![no_main]

use std::io::{Read, Seek, SeekFrom};

use libfuzzer_sys::fuzz_target;
use sealock::progress::quiet;
use sealock::store::transfer::{Options, transfer};
use sealock::store::unixfs::{Child, Node, Reader};
use sealock::store::{Block, Cid, Codec, MemoryStore, Store, dag};

/// The most blocks of a graph, and the most links of its nodes.
const MOST: usize = 24;

fuzz_target!(|data: &[u8]| {
    let Some((&how, rest)) = data.split_first() else { return };
    match how % 4 {
        0 => node(rest),
        1 => links(Codec::DagCbor, rest),
        2 => links(Codec::DagPb, rest),
        _ => graph(rest),
    }
});

/// A node that is read has one encoding, and adds up.
fn node(bytes: &[u8]) {
    let Ok(block) = Block::new(Codec::DagPb, bytes.to_vec()) else { return };
    let Ok(node) = Node::decode(&block) else { return };
    assert_eq!(node.encode().expect("it came from a block"), block);
    assert!(!node.children.is_empty() && node.children.iter().all(|child| child.size > 0));
}

fn links(codec: Codec, bytes: &[u8]) {
    let Ok(block) = Block::new(codec, bytes.to_vec()) else { return };
    if let Ok(links) = dag::links(&block) {
        assert!(links.len() <= dag::MAX_LINKS);
    }
}

/// Builds a graph, every node of which links to any of those before it and claims any sizes; then copies, pins and reads it.
fn graph(mut recipe: &[u8]) {
    let from = MemoryStore::new();
    let leaf = |n: u8| Block::new(Codec::Raw, vec![n; usize::from(n)]).expect("a short block");
    let mut blocks = vec![leaf(0), leaf(1), leaf(9)];
    while let Some((&[kind, count], rest)) = recipe.split_first_chunk::<2>()
        && blocks.len() < MOST
    {
        recipe = rest;
        let mut children = Vec::new();
        while children.len() < usize::from(count) % MOST
            && let Some((&[which, claim], rest)) = recipe.split_first_chunk::<2>()
        {
            recipe = rest;
            let block = &blocks[usize::from(which) % blocks.len()];
            let known = Node::decode(block).map_or(block.bytes().len() as u64, |node| node.size());
            // Mostly the truth, so that graphs become deep.
            let size = match claim {
                0..=3 => [0, known.wrapping_add(1), u64::from(which), u64::MAX][usize::from(claim)],
                _ => known,
            };
            children.push(Child { cid: *block.cid(), size, cumulative: size });
        }
        let sum = children.iter().try_fold(0u64, |sum, child| sum.checked_add(child.size));
        blocks.push(match kind % 4 {
            0 => leaf(count),
            1 | 2 if sum.is_some() => Node { children }.encode().expect("a short node"),
            _ => {
                let cids: Vec<Cid> = children.iter().map(|child| child.cid).collect();
                let bytes = serde_ipld_dagcbor::to_vec(&cids).expect("a list of links");
                Block::new(Codec::DagCbor, bytes).expect("a short node")
            }
        });
    }
    from.put_all(&blocks).expect("memory takes every block");
    let root = *blocks.last().expect("there are leaves").cid();

    let to = MemoryStore::new();
    let copied = transfer(&from, &to, &root, &Options::fetch().parallel(1), &mut quiet());
    assert!(to.pins().expect("memory").is_empty() && to.len() <= blocks.len());
    if let Ok(done) = copied {
        assert_eq!(done.blocks, to.len() as u64);
        to.pin(&root).expect("what was copied is complete");
        to.gc().expect("memory");
        assert_eq!(done.blocks, to.len() as u64, "nothing but the graph was copied");
        assert_eq!(
            transfer(&from, &to, &root, &Options::fetch().parallel(1), &mut quiet()).map(|d| d.blocks).ok(),
            Some(0)
        );
    }
    let Ok(mut file) = Reader::open(&from, &root) else { return };
    let mut buffer = [0; 32];
    for at in [0, 1, file.size() / 2, file.size().saturating_sub(1), file.size(), u64::MAX] {
        file.seek(SeekFrom::Start(at)).expect("every place can be sought");
        let read = file.read(&mut buffer);
        if at >= file.size() {
            assert_eq!(read.expect("there is nothing to read"), 0);
        } else if copied_whole(&to, &root) {
            assert!(read.expect("a file that was copied whole can be read") > 0);
        }
    }
}

fn copied_whole(store: &MemoryStore, root: &Cid) -> bool {
    store.is_pinned(root).expect("memory")
}
