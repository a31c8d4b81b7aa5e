//! Accounts from the files of other wallets.

use crate::Account;
use crate::ledger::LedgerError;

/// Longest key file, in bytes.
pub const KEYSTORE_LIMIT: usize = 64 << 10;
/// The most memory that scrypt may take, in bytes: what geth's and others' usual files ask for is 256 MiB.
const SCRYPT_LIMIT: u128 = 512 << 20;
/// The most rounds of PBKDF2: usual files ask for 262,144.
const PBKDF2_LIMIT: u64 = 10_000_000;

/// The account in a key file of the *Web3 Secret Storage Definition*, version 3
/// (<https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/>), as geth, MetaMask and ethers
/// write it. It takes about a second and 256 MiB, as the file asks for.
///
/// # Errors
/// [`LedgerError::TooLarge`]; [`LedgerError::InvalidArgument`] for a file of another form, one that asks for more than 512 MiB
/// or ten million rounds, and a wrong password.
pub fn account_from_keystore(json: &str, password: &str) -> Result<Account, LedgerError> {
    const WHAT: &str = "the key file";
    let invalid = |why| LedgerError::InvalidArgument { what: WHAT, why };
    if json.len() > KEYSTORE_LIMIT {
        return Err(LedgerError::TooLarge { what: WHAT, got: json.len(), limit: KEYSTORE_LIMIT });
    }
    let mut file: serde_json::Value = serde_json::from_str(json).map_err(|_| invalid("it is no JSON"))?;
    if file.get("version").and_then(serde_json::Value::as_u64) != Some(3) {
        return Err(invalid("expected version 3 of the Web3 Secret Storage Definition"));
    }
    // Old files of geth and ethers write `Crypto`.
    if let Some(fields) = file.as_object_mut()
        && let Some(crypto) = fields.remove("Crypto")
    {
        fields.entry("crypto").or_insert(crypto);
    }
    // The library cuts these without looking.
    let bytes = |name: &str| file.pointer(&format!("/crypto/{name}")).and_then(serde_json::Value::as_str).map(str::len);
    let derived = file.pointer("/crypto/kdfparams/dklen").and_then(serde_json::Value::as_u64);
    if derived != Some(32) || bytes("cipherparams/iv") != Some(32) || bytes("ciphertext") != Some(64) {
        return Err(invalid("expected a key of 32 bytes, under 32 derived bytes and a counter of 16, in hex"));
    }
    let number = |name: &str| file.pointer(&format!("/crypto/kdfparams/{name}")).and_then(serde_json::Value::as_u64);
    let (n, r, p, c) = (number("n"), number("r"), number("p"), number("c"));
    let greedy = match (n, r, p, c) {
        (Some(n), Some(r), Some(p), None) => {
            128 * u128::from(n) * u128::from(r) > SCRYPT_LIMIT || p > 16 || !n.is_power_of_two()
        }
        (None, None, None, Some(c)) => c > PBKDF2_LIMIT,
        _ => return Err(invalid("its key derivation is neither scrypt nor PBKDF2")),
    };
    if greedy {
        return Err(invalid("its key derivation asks for more than 512 MiB or ten million rounds"));
    }
    // The library reads files alone.
    let failed = |_| invalid("it cannot be written to a temporary file to be read");
    let folder = Scratch::new().map_err(failed)?;
    let path = folder.0.join("key.json");
    write_privately(&path, file.to_string().as_bytes()).map_err(failed)?;
    let signer = alloy::signers::local::LocalSigner::decrypt_keystore(&path, password)
        .map_err(|_| invalid("the password is wrong, or the file is damaged"))?;
    let secret = zeroize::Zeroizing::new(signer.to_bytes().0);
    let account = Account::from_secret_bytes(&secret).map_err(|_| invalid("its key is no secp256k1 key"))?;
    let told = file.get("address").and_then(serde_json::Value::as_str);
    let told = told.map(|text| text.trim_start_matches("0x").to_lowercase());
    if told.is_some_and(|told| told != hex::encode(account.address().as_bytes())) {
        return Err(invalid("its key is not the one of the address that it names"));
    }
    Ok(account)
}

/// A folder that is removed again. What is in it is encrypted.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|e| std::io::Error::other(e.to_string()))?;
        let path = std::env::temp_dir().join(format!("sealock-{}", hex::encode(name)));
        let mut folder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(&path)?;
        Ok(Self(path))
    }
}

fn write_privately(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "a temporary folder stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of the Web3 Secret Storage Definition for PBKDF2, password `testpassword`.
    const PBKDF2: &str = r#"{
        "crypto": {
            "cipher": "aes-128-ctr", "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", "kdf": "pbkdf2",
            "kdfparams": {"c": 262144, "dklen": 32, "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3
    }"#;
    /// The same key, by ethers 6.17: scrypt, and `Crypto` with a capital.
    const SCRYPT: &str = r#"{
        "address": "008aeeda4d805471df9b2a5b0f38a0c3bcba786b", "id": "11111111-1111-4111-9111-111111111111", "version": 3,
        "Crypto": {
            "cipher": "aes-128-ctr", "cipherparams": {"iv": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"},
            "ciphertext": "1fe8f65c848681c423cf03530086a853e65bcfc67675aa862527b72e95646095", "kdf": "scrypt",
            "kdfparams": {"dklen": 32, "n": 16384, "p": 1, "r": 8,
                "salt": "abababababababababababababababababababababababababababababababab"},
            "mac": "782db9f20eee39aa8b126dcbf7edde1a6799089d23c07ae57d9f24e71c088dba"
        }
    }"#;
    const SECRET: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    #[test]
    fn files_of_others_open() {
        for json in [PBKDF2, SCRYPT] {
            let account = account_from_keystore(json, "testpassword").unwrap();
            assert_eq!(hex::encode(*account.expose_secret_bytes()), SECRET);
        }
    }

    #[test]
    fn others_are_refused() {
        let why = |json: &str, password: &str| account_from_keystore(json, password).unwrap_err().to_string();
        assert!(why(PBKDF2, "testpasswore").contains("password is wrong"));
        assert!(why("[1]", "").contains("version 3"));
        assert!(why("no", "").contains("no JSON"));
        assert!(why(&PBKDF2.replace("262144", "4294967295"), "testpassword").contains("ten million"));
        assert!(why(&SCRYPT.replace("16384", "1073741824"), "testpassword").contains("512 MiB"));
        // These are cut by the library without a look.
        for (field, other) in
            [("\"dklen\": 32", "\"dklen\": 16"), ("6087dab2f9fdbbfaddc31a909735c1e6", "6087"), ("5318b4d5", "")]
        {
            assert!(why(&PBKDF2.replace(field, other), "testpassword").contains("32 bytes"));
        }
        let other = PBKDF2.replacen("{", r#"{"address": "008aeeda4d805471df9b2a5b0f38a0c3bcba786c","#, 1);
        assert!(why(&other, "wrong").contains("password"));
        assert!(why(&other.replace("008aeeda", "118aeeda"), "testpassword").contains("names"));
        assert!(matches!(
            account_from_keystore(&" ".repeat(KEYSTORE_LIMIT + 1), ""),
            Err(LedgerError::TooLarge { .. })
        ));
    }
}
