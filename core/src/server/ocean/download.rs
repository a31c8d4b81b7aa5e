//! Downloads for Ocean's clients.
//!
//! Of a Sealock asset, the data as it was published (a table as Parquet), if and only if its policy lets buyers decrypt it: the
//! node decrypts for who has ordered, checked chunk by chunk, in constant memory. Of a plain asset, the file that the owner
//! encrypted the place of.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::auth::{Command, Signed};
use super::catalog::{Found, Kind};
use super::cipher::Purpose;
use super::error::Refusal;
use super::publish::Files;
use super::{Inner, OceanState, Parameters};
use crate::asset::{MarketService, MarketServiceKind};
use crate::exchange::DOWNLOAD_SERVICE;
use crate::store::{Cid, unixfs};

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// Chunks on their way to a client.
const CHUNKS: usize = 4;
/// For how long a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent.
struct File {
    name: String,
    media: String,
    len: Option<u64>,
    body: Box<dyn Read + Send>,
}

pub(super) async fn download(Shared(state): Shared<OceanState>, parameters: Parameters) -> Result<Response, Refusal> {
    let signed = parameters.signed(Command::Download)?;
    let turn = Arc::clone(&state.0.downloads).try_acquire_owned().map_err(|_| Refusal::busy())?;
    let file = state.block(move |inner| inner.download(&parameters, signed)).await?;
    send(file, turn)
}

impl Inner {
    fn download(&self, parameters: &Parameters, signed: Signed) -> Result<File, Refusal> {
        let number = parameters.need("fileIndex")?;
        let number: usize = number.parse().map_err(|_| Refusal::malformed("The fileIndex is no number"))?;
        let found = self.find(parameters.need("documentId")?)?;
        let (place, service) = found.service(parameters.need("serviceId")?)?;
        found.check_access(service, signed.who)?;
        if service.kind != MarketServiceKind::Access {
            return Err(Refusal::forbidden("Not allowed to download this asset of type compute"));
        }
        let paid = self.paid(&found, (place, service), signed.who, parameters.need("transferTxId")?)?;
        match &found.kind {
            Kind::Sealed(asset) => {
                let now = self.now();
                if place != DOWNLOAD_SERVICE || asset.policy().check_download(now).is_err() {
                    return Err(Refusal::forbidden("The asset's policy allows no downloads"));
                }
                if number != 0 {
                    return Err(no_file());
                }
                self.spend(signed)?;
                self.pay_download(signed.who, asset, &paid)?;
                let reader = self.node().open_data(asset)?.reader()?;
                let model = asset.model().is_some();
                let (name, media) = match model {
                    true => ("model.cbor", "application/cbor"),
                    false => ("table.parquet", "application/vnd.apache.parquet"),
                };
                Ok(File { name: name.into(), media: media.into(), len: Some(reader.size()), body: Box::new(reader) })
            }
            Kind::Plain => {
                let place = self.place(&found, service, number)?;
                self.spend(signed)?;
                self.fetch(&place)
            }
        }
    }

    /// Where a file of a plain asset is: what the owner encrypted for this asset and this service.
    fn place(&self, found: &Found, service: &MarketService, number: usize) -> Result<Value, Refusal> {
        let refused = || Refusal::forbidden("The files of the service are not of this node");
        let sealed = hex::decode(service.files.strip_prefix("0x").unwrap_or(&service.files)).map_err(|_| refused())?;
        let opened = self.cipher.open(Purpose::Files, b"", &sealed).map_err(|_| refused())?;
        let files: Files = serde_json::from_slice(&opened).map_err(|_| refused())?;
        // Copied into another asset, they would be given away under that one's terms.
        if files.nft_address.parse() != Ok(found.nft) || files.datatoken_address.parse() != Ok(service.datatoken) {
            return Err(refused());
        }
        files.files.into_iter().nth(number).ok_or_else(no_file)
    }

    fn fetch(&self, place: &Value) -> Result<File, Refusal> {
        let text = |name: &str| place.get(name).and_then(Value::as_str);
        let unsupported = || Refusal::new(StatusCode::NOT_IMPLEMENTED, "The node does not serve files of this kind");
        let gone = |why: String| {
            tracing::warn!(why, "a file of an asset could not be fetched");
            Refusal::new(StatusCode::BAD_GATEWAY, "The file cannot be reached")
        };
        match text("type") {
            Some("url") => {
                let plain = text("method").is_none_or(|method| method.eq_ignore_ascii_case("get"));
                let headers = place.get("headers").is_some_and(|headers| {
                    !headers.is_null() && headers.as_object().is_none_or(|fields| !fields.is_empty())
                });
                let url = text("url").filter(|_| plain && !headers).ok_or_else(unsupported)?;
                let fetched = self.fetcher.get(url).map_err(|e| gone(e.to_string()))?;
                let path = url.split(['?', '#']).next().unwrap_or_default();
                let name = path.rsplit('/').next().unwrap_or_default();
                let media = fetched.media.unwrap_or_else(|| "application/octet-stream".into());
                Ok(File { name: file_name(name), media, len: fetched.len, body: fetched.body })
            }
            Some("ipfs") => {
                let cid = text("hash").and_then(|cid| Cid::try_from(cid).ok()).ok_or_else(unsupported)?;
                let reader =
                    unixfs::Reader::open(self.exchange().store_handle(), &cid).map_err(|e| gone(e.to_string()))?;
                let (len, name) = (reader.size(), file_name(&cid.to_string()));
                let media = "application/octet-stream".into();
                Ok(File { name, media, len: Some(len), body: Box::new(reader) })
            }
            _ => Err(unsupported()),
        }
    }

    /// A short file of a plain asset, whole.
    pub(super) fn whole_file(
        &self,
        found: &Found,
        service: &MarketService,
        number: usize,
        limit: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let file = self.fetch(&self.place(found, service, number)?)?;
        let mut bytes = Vec::new();
        let read = file.body.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| {
            tracing::warn!(%error, "a file of an asset could not be fetched");
            Refusal::new(StatusCode::BAD_GATEWAY, "The file cannot be reached")
        })?;
        if bytes.len() as u64 > limit {
            return Err(Refusal::malformed("The file is too long"));
        }
        Ok(bytes)
    }
}

fn no_file() -> Refusal {
    Refusal::not_found("There is no file of this fileIndex")
}

/// A name that is safe in a header and in anybody's folder.
fn file_name(text: &str) -> String {
    let keep = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = text.chars().filter(keep).take(100).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "file".into() } else { name.into() }
}

/// Sends a file in constant memory: as fast as the client takes it, and no longer than that takes some of it.
fn send(file: File, turn: OwnedSemaphorePermit) -> Result<Response, Refusal> {
    let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(CHUNKS);
    let runtime = tokio::runtime::Handle::current();
    let File { name, media, len, mut body } = file;
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut sent = 0;
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = loop {
                match body.read(&mut chunk) {
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            let part = match read {
                Ok(0) if len.is_some_and(|len| len != sent) => {
                    Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file ended early"))
                }
                Ok(0) => return,
                Ok(count) => {
                    chunk.truncate(count);
                    sent += count as u64;
                    Ok(Bytes::from(chunk))
                }
                Err(error) => Err(error),
            };
            if let Err(error) = &part {
                tracing::warn!(%error, "a download ended early");
            }
            let failed = part.is_err();
            let taken = runtime.block_on(tokio::time::timeout(PATIENCE, sender.send(part)));
            if failed || !matches!(taken, Ok(Ok(()))) {
                return;
            }
        }
    });
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver)));
    let headers = response.headers_mut();
    let media = HeaderValue::from_str(&media).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, media);
    // Without a space, as ocean.js looks for it.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment;filename={name}")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    if let Some(len) = len {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
    // What somebody else's server says is no page of this one's.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_file_name_leads_nowhere() {
        for (name, safe) in [
            ("data.csv", "data.csv"),
            ("..", "file"),
            ("../../etc/passwd", "etcpasswd"),
            ("a\r\nset-cookie: x", "aset-cookiex"),
            (".bashrc", "bashrc"),
            ("%2e%2e%2fx", "2e2e2fx"),
            ("", "file"),
        ] {
            assert_eq!(file_name(name), safe, "{name:?}");
        }
        assert_eq!(file_name(&"x".repeat(1000)).len(), 100);
    }
}
