use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cid::Cid;
use rayon::prelude::*;

use super::{
    Adding, Block, Freed, Result, Store, StoreError, block::check_length, check_cid, dag, lock::Collecting,
    lock::GcLock,
};

const VERSION: &str = "sealock/v1/store\n";

/// Blocks as files in a folder.
///
/// ```text
/// version             "sealock/v1/store\n"
/// lock                the operating system's lock: shared while somebody adds, exclusive for garbage collection
/// blocks/<xy>/<cid>   one file per block; <xy> are the two characters before the CID's last, as in Kubo's flatfs
/// pins/<cid>          one empty file per pinned root
/// tmp/                files not yet complete
/// ```
///
/// A block is written to `tmp/`, synced and renamed, so that a crash leaves the whole block or none. [`Store::pin`] syncs
/// the folders of everything under the root before the pin appears: what is pinned survives a power cut. Any number of
/// processes may use one folder.
pub struct DiskStore {
    root: PathBuf,
    lock: Arc<GcLock>,
}

impl DiskStore {
    /// Opens the store in the folder `root`, which is made if there is none or it is empty. Removes what a crash left.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`] if the folder holds something else; [`StoreError::Io`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let not_a_store = |why: String| StoreError::NotAStore { path: root.display().to_string(), why };
        create_dir(&root)?;
        let version = root.join("version");
        match read_limited(&version, VERSION.len() as u64) {
            Ok(found) if found == VERSION.as_bytes() => {}
            Ok(_) => return Err(not_a_store(format!("the file `version` does not say {:?}", VERSION.trim()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // Whoever makes a store here at the same moment, or a crash while making one, leaves these alone.
                let own = ["version", "lock", "blocks", "pins", "tmp"];
                let foreign = list(&root)?.into_iter().find(|name| !own.contains(&name.as_str()));
                if let Some(name) = foreign {
                    return Err(not_a_store(format!("it holds {name:?} and no file `version`")));
                }
            }
            Err(e) => return Err(StoreError::io("reading the store's version")(e)),
        }
        for folder in ["blocks", "pins", "tmp"] {
            create_dir(&root.join(folder))?;
        }
        let path = root.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(StoreError::io("opening the store's lock"))?;
        let store = Self { root, lock: GcLock::new(Some(file)) };
        if !version.exists() {
            store.write_file(&version, VERSION.as_bytes())?;
            sync_dir(&store.root)?;
        }
        // While another process adds, its files in tmp/ are not leftovers.
        match store.lock.collecting() {
            Ok(collecting) => store.clear_tmp(&collecting)?,
            Err(StoreError::Busy) => {}
            Err(e) => return Err(e),
        }
        Ok(store)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    fn shard(&self, cid: &Cid) -> (PathBuf, String) {
        let name = cid.to_string();
        (self.root.join("blocks").join(&name[name.len() - 3..name.len() - 1]), name)
    }

    fn block_path(&self, cid: &Cid) -> PathBuf {
        let (shard, name) = self.shard(cid);
        shard.join(name)
    }

    fn pin_path(&self, cid: &Cid) -> PathBuf {
        self.root.join("pins").join(cid.to_string())
    }

    /// Writes a file so that it is there whole or not at all. The folder is not synced.
    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        // Random, since processes in different containers may have one number and one folder.
        let name = getrandom::u64().expect("the operating system provides randomness");
        let tmp = self.root.join("tmp").join(format!("{name:016x}"));
        let written = File::create_new(&tmp)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&tmp, path));
        written.map_err(|e| {
            let _ = fs::remove_file(&tmp);
            StoreError::io(format!("writing {}", path.display()))(e)
        })
    }

    fn clear_tmp(&self, _: &Collecting) -> Result<()> {
        let tmp = self.root.join("tmp");
        for name in list(&tmp)? {
            fs::remove_file(tmp.join(name)).map_err(StoreError::io("removing an incomplete file"))?;
        }
        Ok(())
    }
}

impl Store for DiskStore {
    fn put(&self, block: &Block) -> Result<()> {
        let path = self.block_path(block.cid());
        // A damaged copy is replaced by the good one.
        if read_limited(&path, block.bytes().len() as u64).is_ok_and(|kept| kept == **block.bytes()) {
            return Ok(());
        }
        if let Some(shard) = path.parent() {
            create_dir(shard)?;
        }
        self.write_file(&path, block.bytes())
    }

    fn put_all(&self, blocks: &[Block]) -> Result<()> {
        blocks.par_iter().try_for_each(|block| self.put(block))
    }

    fn get(&self, cid: &Cid) -> Result<Block> {
        check_cid(cid)?;
        let path = self.block_path(cid);
        let length = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(StoreError::NotFound { cid: *cid }),
            other => other.map_err(StoreError::io(format!("reading {}", path.display())))?.len(),
        };
        check_length(length)?;
        let bytes = read_limited(&path, length).map_err(StoreError::io(format!("reading {}", path.display())))?;
        Block::verify(cid, bytes)
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        check_cid(cid)?;
        self.block_path(cid).try_exists().map_err(StoreError::io("looking for a block"))
    }

    fn pin(&self, root: &Cid) -> Result<()> {
        let blocks = dag::reachable(self, &[*root])?;
        let shards: BTreeSet<PathBuf> = blocks.iter().map(|cid| self.shard(cid).0).collect();
        for folder in shards.iter().map(PathBuf::as_path).chain([self.root.join("blocks").as_path()]) {
            sync_dir(folder)?;
        }
        let path = self.pin_path(root);
        if !path.exists() {
            self.write_file(&path, b"")?;
        }
        sync_dir(&self.root.join("pins"))
    }

    fn unpin(&self, root: &Cid) -> Result<bool> {
        match fs::remove_file(self.pin_path(root)) {
            Ok(()) => sync_dir(&self.root.join("pins")).map(|()| true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(StoreError::io("removing a pin")(e)),
        }
    }

    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.pin_path(root).try_exists().map_err(StoreError::io("looking for a pin"))
    }

    fn pins(&self) -> Result<Vec<Cid>> {
        // A pin that cannot be read must not let garbage collection take its blocks.
        let parse = |name: String| {
            Cid::try_from(name.as_str()).map_err(|e| StoreError::NotAStore {
                path: self.root.display().to_string(),
                why: format!("pins/{name}: {e}"),
            })
        };
        let pins: BTreeSet<Cid> = list(&self.root.join("pins"))?.into_iter().map(parse).collect::<Result<_>>()?;
        Ok(pins.into_iter().collect())
    }

    fn adding(&self) -> Result<Adding> {
        self.lock.adding()
    }

    fn gc(&self) -> Result<Freed> {
        let collecting = self.lock.collecting()?;
        let live = dag::reachable(self, &self.pins()?)?;
        let mut freed = Freed::default();
        let blocks = self.root.join("blocks");
        for shard in list(&blocks)? {
            let shard = blocks.join(shard);
            for name in list(&shard)? {
                let path = shard.join(&name);
                if Cid::try_from(name.as_str()).is_ok_and(|cid| !live.contains(&cid)) {
                    freed.bytes += fs::metadata(&path).map_err(StoreError::io("measuring a block"))?.len();
                    fs::remove_file(&path).map_err(StoreError::io("removing a block"))?;
                    freed.blocks += 1;
                }
            }
        }
        self.clear_tmp(&collecting)?;
        Ok(freed)
    }
}

/// Reads a file of `expected` bytes, and at most one byte more.
fn read_limited(path: &Path, expected: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0).saturating_add(1));
    file.take(expected + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(StoreError::io(format!("making {}", path.display())))
}

/// Makes the names in a folder durable. Windows has no such operation and needs none.
fn sync_dir(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(path).and_then(|folder| folder.sync_all());
        synced.map_err(StoreError::io(format!("syncing {}", path.display())))?;
    }
    Ok(())
}

/// The names in a folder that are text; nothing of ours is anything else.
fn list(path: &Path) -> Result<Vec<String>> {
    fs::read_dir(path)
        .and_then(|entries| {
            entries
                .map(|e| Ok(e?.file_name().into_string().ok()))
                .filter_map(io::Result::transpose)
                .collect::<io::Result<Vec<String>>>()
        })
        .map_err(StoreError::io(format!("listing {}", path.display())))
}
