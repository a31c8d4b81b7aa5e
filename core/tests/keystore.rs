//! The owner's key store: what opens it, what it survives, and what it lets nobody see.

#[path = "support/market.rs"]
mod market;

use std::fs;
use std::io::Write;
use std::path::Path;

use market::{people, policy, table};
use sealock::asset::Terms;
use sealock::error::Classify;
use sealock::keystore::{KeyStore, KeyStoreError, MAX_KEY_STORE_BYTES, MAX_WORK_FACTOR};
use sealock::owner::Offer;
use sealock::program::{Query, count};
use sealock::{Account, Asset, ErrorKind, Exchange};

const PASSPHRASE: &str = "correct horse battery staple";
/// Enough for a test, and nothing else.
const FAST: u8 = 4;

fn create(path: &Path, account: Account) -> KeyStore {
    KeyStore::create_with_work_factor(path, account, PASSPHRASE, FAST).unwrap()
}

fn kind(opened: Result<KeyStore, KeyStoreError>) -> ErrorKind {
    opened.unwrap_err().kind()
}

fn publish(exchange: &Exchange, keys: KeyStore) -> Asset {
    let rows = table(&people(500));
    let owner = exchange.owner_from(keys).unwrap();
    owner.publish(&Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5))).unwrap().asset
}

#[test]
fn a_key_store_opens_with_its_passphrase_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    let account = Account::generate();
    let address = account.address();
    assert_eq!(kind(KeyStore::open(&path, PASSPHRASE)), ErrorKind::Io);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is made where there is nothing to open");
    let made = create(&path, account);
    assert_eq!((made.address(), made.path()), (address, Some(path.clone())));
    assert_eq!(kind(KeyStore::open(&path, PASSPHRASE)), ErrorKind::Locked, "once at a time");
    drop(made);
    assert_eq!(KeyStore::open(&path, PASSPHRASE).unwrap().address(), address);
    for wrong in ["Correct horse battery staple", "correct horse battery staple ", "x"] {
        let error = KeyStore::open(&path, wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongKey);
        assert!(error.hint().is_some() && !error.to_string().contains(wrong));
    }
    let again = |passphrase| KeyStore::create_with_work_factor(&path, Account::generate(), passphrase, FAST);
    assert_eq!(kind(again(PASSPHRASE)), ErrorKind::InvalidArgument, "a file is not replaced by a new key store");
    assert_eq!(KeyStore::open(&path, PASSPHRASE).unwrap().address(), address);
    for bad in [KeyStore::open(&path, ""), again("")] {
        assert_eq!(kind(bad), ErrorKind::InvalidArgument);
    }
    for factor in [0, MAX_WORK_FACTOR + 1, 64, 255] {
        let path = folder.path().join("other.age");
        let made = KeyStore::create_with_work_factor(path, Account::generate(), PASSPHRASE, factor);
        assert_eq!(kind(made), ErrorKind::InvalidArgument);
    }
}

#[test]
fn another_passphrase_replaces_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    let keys = create(&path, Account::generate());
    let before = fs::read(&path).unwrap();
    keys.change_passphrase("another").unwrap();
    assert_eq!(keys.change_passphrase("").unwrap_err().kind(), ErrorKind::InvalidArgument);
    drop(keys);
    assert_eq!(kind(KeyStore::open(&path, PASSPHRASE)), ErrorKind::WrongKey);
    assert_eq!(KeyStore::open(&path, "another").unwrap().epochs().len(), 0);
    // As the documentation says: a copy from before opens as before.
    fs::write(&path, before).unwrap();
    KeyStore::open(&path, PASSPHRASE).unwrap();
    let memory = KeyStore::in_memory(Account::generate());
    assert_eq!(memory.change_passphrase("x").unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(memory.path(), None);
}

#[test]
fn an_owner_lives_in_its_key_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    let exchange = Exchange::local(folder.path().join("exchange")).unwrap();
    let account = Account::generate();
    let secret = account.expose_secret_bytes();
    let asset = publish(&exchange, create(&path, account));
    let keys = KeyStore::open(&path, PASSPHRASE).unwrap();
    assert_eq!(keys.epochs(), [asset.dataset()]);
    let owner = exchange.owner_from(keys).unwrap();
    assert_eq!(owner.address(), asset.owner());
    let consumer = exchange.consumer(Account::generate()).unwrap();
    consumer.buy(&asset, 2).unwrap();
    let ask = || consumer.order(&asset).unwrap().request(&Query::select([count()])).unwrap();
    owner.node().run(ask().request().clone()).unwrap();
    assert_eq!(owner.download(&asset).unwrap().table().unwrap().len(), 500);
    drop(owner);
    // The account's key alone is not the key of the data, and nothing is spent on finding that out.
    let bare = exchange.owner(Account::from_secret_bytes(&secret).unwrap()).unwrap();
    let ticket = ask();
    let error = bare.node().run(ticket.request().clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.hint().unwrap().contains("key store"));
    assert_eq!(bare.node().job(ticket.job()).unwrap(), None);
    drop(bare);
    let owner = exchange.owner_from(KeyStore::open(&path, PASSPHRASE).unwrap()).unwrap();
    owner.node().run(ticket.request().clone()).unwrap();
}

#[test]
fn without_a_passphrase_the_keys_lie_beside_the_journal_under_the_accounts_key() {
    let folder = tempfile::tempdir().unwrap();
    let secret = Account::generate().expose_secret_bytes();
    let account = || Account::from_secret_bytes(&secret).unwrap();
    let exchange = Exchange::local(folder.path()).unwrap();
    let rows = table(&people(500));
    let owner = exchange.owner(account()).unwrap();
    let offer = Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5));
    let asset = owner.publish(&offer).unwrap().asset;
    assert_eq!(owner.keys().change_passphrase("x").unwrap_err().kind(), ErrorKind::InvalidArgument);
    drop(owner);
    let file = folder.path().join("state").join(format!("keys-{}.age", account().address()));
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert!(!bytes.windows(8).any(|w| w == &secret[..8]));
    assert_eq!(exchange.owner(account()).unwrap().download(&asset).unwrap().table().unwrap().len(), 500);
    // Another account's key does not open it, and it is left as it was.
    let other = Account::generate();
    fs::copy(&file, file.with_file_name(format!("keys-{}.age", other.address()))).unwrap();
    assert_eq!(exchange.owner(other).err().unwrap().kind(), ErrorKind::WrongKey);
    // Lost, it is missed where it is needed.
    fs::remove_file(&file).unwrap();
    let error = exchange.owner(account()).unwrap().download(&asset).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    fs::write(&file, bytes).unwrap();
    exchange.owner(account()).unwrap().download(&asset).unwrap();
}

#[test]
fn a_damaged_or_foreign_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    drop(create(&path, Account::generate()));
    let good = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let opened = KeyStore::open(&path, PASSPHRASE).map(drop);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        opened.map_err(|e| e.kind())
    };
    for end in 0..good.len() {
        let kind = open(&good[..end]).unwrap_err();
        assert!(
            matches!(kind, ErrorKind::Truncated | ErrorKind::Malformed | ErrorKind::Tampered | ErrorKind::WrongKey),
            "cut at {end}: {kind}"
        );
    }
    for i in 0..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 1;
        let kind = open(&bad).unwrap_err();
        assert!(
            matches!(
                kind,
                ErrorKind::Malformed
                    | ErrorKind::Tampered
                    | ErrorKind::WrongKey
                    | ErrorKind::Truncated
                    | ErrorKind::TooLarge
            ),
            "byte {i}: {kind}"
        );
    }
    assert_eq!(open(&[&good[..], b"x"].concat()), Err(ErrorKind::Tampered));
    assert_eq!(open(b"PAR1"), Err(ErrorKind::Malformed));
    assert_eq!(open(&vec![0; MAX_KEY_STORE_BYTES + 1]), Err(ErrorKind::TooLarge));
    // Somebody else's age files: encrypted to a key, and under the passphrase but with something else inside.
    let to_a_key = age::encrypt(&age::x25519::Identity::generate().to_public(), b"x").unwrap();
    assert_eq!(open(&to_a_key), Err(ErrorKind::Malformed));
    let sealed = |plain: &[u8]| {
        let mut recipient = age::scrypt::Recipient::new(PASSPHRASE.to_owned().into());
        recipient.set_work_factor(FAST);
        age::encrypt(&recipient, plain).unwrap()
    };
    assert_eq!(open(&sealed(b"my diary")), Err(ErrorKind::Malformed));
    assert_eq!(
        open(&sealed(&[0xa1, 0x67, b'v', b'e', b'r', b's', b'i', b'o', b'n', 2])),
        Err(ErrorKind::UnsupportedVersion)
    );
    open(&good).unwrap();
}

#[test]
fn a_file_that_asks_for_hours_of_scrypt_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    drop(create(&path, Account::generate()));
    let good = fs::read(&path).unwrap();
    let header = String::from_utf8_lossy(&good[..80]).into_owned();
    let line = header.lines().nth(1).unwrap().to_owned();
    assert!(line.ends_with(" 4"), "{line}");
    for factor in ["21", "40", "63"] {
        let asks = line.strip_suffix('4').unwrap().to_owned() + factor;
        let at = good.windows(line.len()).position(|w| w == line.as_bytes()).unwrap();
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(&[&good[..at], asks.as_bytes(), &good[at + line.len()..]].concat()).unwrap();
        let error = KeyStore::open(&path, PASSPHRASE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert!(error.to_string().contains(factor));
    }
}

#[test]
fn nothing_of_a_key_store_shows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    let account = Account::from_secret_bytes(&[0xab; 32]).unwrap();
    let keys = create(&path, account);
    let shown = format!("{keys:?}").to_lowercase();
    assert!(!shown.contains("abab") && !shown.contains("171") && !shown.contains("horse"), "{shown}");
    assert!(!fs::read(&path).unwrap().windows(8).any(|w| w == [0xab; 8]));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        // Whatever a crash left behind lends its permissions to nothing.
        let left = folder.path().join("owner.age.new");
        fs::write(&left, b"left").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
        keys.change_passphrase("another").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(!left.exists());
    }
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    let keys = create(&path, Account::generate());
    let before = fs::read(&path).unwrap();
    // The name that a new file is written under is taken by a folder.
    fs::create_dir(folder.path().join("owner.age.new")).unwrap();
    assert_eq!(keys.change_passphrase("another").unwrap_err().kind(), ErrorKind::Io);
    let exchange = Exchange::in_memory().unwrap();
    let rows = table(&people(500));
    let owner = exchange.owner_from(keys).unwrap();
    let offer = || Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5));
    assert_eq!(owner.publish(&offer()).unwrap_err().kind(), ErrorKind::Io);
    assert!(exchange.assets().unwrap().is_empty() && owner.keys().epochs().is_empty());
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_dir(folder.path().join("owner.age.new")).unwrap();
    owner.publish(&offer()).unwrap();
    drop(owner);
    assert_eq!(KeyStore::open(&path, PASSPHRASE).unwrap().epochs().len(), 1);
}
