use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
/// version                     "sealock/v1/store\n"
/// lock                        the operating system's lock: shared while somebody adds, exclusive for garbage collection
/// blockstore/<xy>/<cid>.data  one file per block; <xy> are the two characters before the CID's last, as in Kubo's flatfs
/// pins/<cid>                  one empty file per pinned root
/// tmp/                        files not yet complete
/// unsynced                    empty; blocks that are younger may not have reached the disk
/// ```
///
/// An embedded IPFS node has its key beside them in `identity`, and locks `node.lock` while it runs.
///
/// A block is written to `tmp/` and renamed, and is not synced. [`Store::pin`] syncs everything before the pin appears:
/// what is pinned survives a power cut. What is not pinned may be torn by one; so the file `unsynced` stays until the
/// store is closed, and if it is found when the store is opened, the blocks that are not older than it are hashed and the
/// torn ones removed. Whatever the store then says it has, it has. Any number of processes may use one folder.
pub struct DiskStore {
    root: PathBuf,
    lock: Arc<GcLock>,
    /// Whether this value has written a block.
    wrote: AtomicBool,
}

const BLOCKS: &str = "blockstore";
const EXTENSION: &str = ".data";
const UNSYNCED: &str = "unsynced";
const NODE_LOCK: &str = "node.lock";
/// Names of the store's own, and of the embedded node's.
const OWN: [&str; 8] = ["version", "lock", BLOCKS, "pins", "tmp", UNSYNCED, NODE_LOCK, "identity"];

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
                let foreign = list(&root)?.into_iter().find(|name| !OWN.contains(&name.as_str()));
                if let Some(name) = foreign {
                    return Err(not_a_store(format!("it holds {name:?} and no file `version`")));
                }
            }
            Err(e) => return Err(StoreError::io("reading the store's version")(e)),
        }
        for folder in [BLOCKS, "pins", "tmp"] {
            create_dir(&root.join(folder))?;
        }
        let path = root.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(StoreError::io("opening the store's lock"))?;
        let store = Self { root, lock: GcLock::new(Some(file)), wrote: AtomicBool::new(false) };
        if !version.exists() {
            store.write_synced(&version, VERSION.as_bytes())?;
        }
        // While another process adds, its files are not leftovers.
        match store.lock.collecting() {
            Ok(collecting) => {
                store.clear_tmp(&collecting)?;
                store.recover(&collecting)?;
            }
            Err(StoreError::Busy) => {}
            Err(e) => return Err(e),
        }
        Ok(store)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    fn block_path(&self, cid: &Cid) -> PathBuf {
        let name = cid.to_string();
        self.root.join(BLOCKS).join(&name[name.len() - 3..name.len() - 1]).join(name + EXTENSION)
    }

    fn pin_path(&self, cid: &Cid) -> PathBuf {
        self.root.join("pins").join(cid.to_string())
    }

    /// Writes a file so that it is there whole or not at all, as far as no power cut comes. Nothing is synced.
    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.write(path, |file| file.write_all(bytes))
    }

    /// Writes a file so that it is there whole or not at all, and stays.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.write(path, |file| file.write_all(bytes).and_then(|()| file.sync_all()))?;
        path.parent().map_or(Ok(()), sync_dir)
    }

    /// A file that is locked until it is closed, so that at most one node runs here.
    #[cfg(feature = "ipfs")]
    pub(super) fn lock_node(&self) -> Result<File> {
        let path = self.root.join(NODE_LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(StoreError::io("opening the node's lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse { path: self.root.display().to_string() }),
            Err(std::fs::TryLockError::Error(e)) => Err(StoreError::io("locking the node's folder")(e)),
        }
    }

    /// As [`write_synced`](Self::write_synced), for its owner's eyes alone.
    #[cfg(feature = "ipfs")]
    pub(super) fn write_secret(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.write(path, |file| {
            #[cfg(unix)]
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            file.write_all(bytes).and_then(|()| file.sync_all())
        })?;
        sync_dir(&self.root)
    }

    fn write(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        // Random, since processes in different containers may have one number and one folder.
        let name = getrandom::u64().expect("the operating system provides randomness");
        let tmp = self.root.join("tmp").join(format!("{name:016x}"));
        let written = File::create_new(&tmp).and_then(|mut file| fill(&mut file)).and_then(|()| rename(&tmp, path));
        written.map_err(|e| {
            let _ = fs::remove_file(&tmp);
            StoreError::io(format!("writing {}", path.display()))(e)
        })
    }

    /// Sees to it that `unsynced` is there before a block is. Another process may have removed it since the last time.
    fn expect_unsynced(&self) -> Result<()> {
        let path = self.root.join(UNSYNCED);
        if !path.exists() {
            // Never in place of one that another thread has made meanwhile: it may be older than a block that is there.
            match File::create_new(&path) {
                Ok(file) => {
                    file.sync_all().map_err(StoreError::io("marking the store unsynced"))?;
                    sync_dir(&self.root)?;
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(StoreError::io("marking the store unsynced")(e)),
            }
        }
        self.wrote.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Brings every block that is there to the disk.
    fn sync_blocks(&self, blocks: &HashSet<Cid>) -> Result<()> {
        let path = self.root.join(UNSYNCED);
        if !path.exists() {
            return Ok(());
        }
        // The file carries the time before the sync began, and takes the place of the older one after it.
        let now = self.root.join("tmp").join(format!("{UNSYNCED}-{:016x}", getrandom::u64().unwrap_or_default()));
        let io = || StoreError::io("syncing the store");
        File::create(&now).map_err(io())?;
        sync_files(&self.root, blocks.iter().map(|cid| self.block_path(cid)))?;
        fs::rename(&now, &path).map_err(io())
    }

    /// Removes the blocks that a power cut may have torn.
    fn recover(&self, _: &Collecting) -> Result<()> {
        let marker = self.root.join(UNSYNCED);
        let modified = |path: &Path| fs::metadata(path).and_then(|m| m.modified());
        let since = match modified(&marker) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            since => since.map_err(StoreError::io("looking for unsynced blocks"))?,
        };
        self.blocks()?.into_par_iter().try_for_each(|(cid, path)| {
            if modified(&path).is_ok_and(|time| time < since) { Ok(()) } else { self.remove_damaged(&cid) }
        })?;
        self.close()
    }

    /// Syncs, and notes that nothing is left to sync.
    fn close(&self) -> Result<()> {
        let all: Vec<PathBuf> =
            if cfg!(target_os = "linux") { Vec::new() } else { self.blocks()?.into_values().collect() };
        sync_files(&self.root, all)?;
        fs::remove_file(self.root.join(UNSYNCED)).map_err(StoreError::io("syncing the store"))
    }

    /// Every block's file.
    fn blocks(&self) -> Result<BTreeMap<Cid, PathBuf>> {
        let mut found = BTreeMap::new();
        let blocks = self.root.join(BLOCKS);
        for shard in list(&blocks)? {
            let shard = blocks.join(shard);
            for name in list(&shard)? {
                if let Some(cid) = name.strip_suffix(EXTENSION).and_then(|name| Cid::try_from(name).ok()) {
                    found.insert(cid, shard.join(name));
                }
            }
        }
        Ok(found)
    }

    /// Removes a block whose bytes are not the ones that its name says.
    pub(super) fn remove_damaged(&self, cid: &Cid) -> Result<()> {
        match self.get(cid) {
            Err(error @ (StoreError::CidMismatch { .. } | StoreError::BlockTooLarge { .. })) => {
                tracing::warn!(%error, "removing a damaged block");
                fs::remove_file(self.block_path(cid)).map_err(StoreError::io("removing a damaged block"))
            }
            _ => Ok(()),
        }
    }

    fn clear_tmp(&self, _: &Collecting) -> Result<()> {
        let tmp = self.root.join("tmp");
        for name in list(&tmp)? {
            match fs::remove_file(tmp.join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("removing an incomplete file")(e));
                }
                _ => {}
            }
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
        self.expect_unsynced()?;
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
        // Between the look at the blocks and the pin, a collection would take them.
        let _adding = self.adding()?;
        let blocks = dag::reachable(self, &[*root])?;
        self.sync_blocks(&blocks)?;
        let path = self.pin_path(root);
        if path.exists() { Ok(()) } else { self.write_synced(&path, b"") }
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
        for (_, path) in self.blocks()?.iter().filter(|(cid, _)| !live.contains(cid)) {
            freed.bytes += fs::metadata(path).map_err(StoreError::io("measuring a block"))?.len();
            fs::remove_file(path).map_err(StoreError::io("removing a block"))?;
            freed.blocks += 1;
        }
        self.clear_tmp(&collecting)?;
        Ok(freed)
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        // Whoever still adds elsewhere closes it later. If it fails, the next one to open the store looks into it.
        if *self.wrote.get_mut()
            && let Ok(_collecting) = self.lock.collecting()
            && let Err(error) = self.close()
        {
            tracing::debug!(%error, "the store was not closed cleanly");
        }
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

/// Renames, and makes the folder if there is none.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match (fs::rename(from, to), to.parent()) {
        (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            fs::rename(from, to)
        }
        (done, _) => done,
    }
}

/// Brings files and their names to the disk: on Linux with everything else on their file system, by one call.
fn sync_files(root: &Path, files: impl IntoIterator<Item = PathBuf>) -> Result<()> {
    let failed = || StoreError::io(format!("syncing {}", root.display()));
    #[cfg(target_os = "linux")]
    {
        drop(files);
        let folder = File::open(root).map_err(failed())?;
        rustix::fs::syncfs(folder).map_err(|e| failed()(e.into()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let mut folders = std::collections::BTreeSet::from([root.join(BLOCKS)]);
        for file in files {
            File::open(&file).and_then(|file| file.sync_all()).map_err(failed())?;
            folders.extend(file.parent().map(Path::to_path_buf));
        }
        folders.iter().try_for_each(|folder| sync_dir(folder))
    }
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
