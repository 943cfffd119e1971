//! TLS: whom to trust, and what a failed handshake means.
//!
//! Constraints: the system's roots and the configured CA file, nothing else; verification cannot be switched off. Clients
//! that are made within a minute and trust the same share one set of roots: it takes half a megabyte, and reading it
//! takes longer than a handshake.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::target::Target;
use super::trouble::{SetupError, Trouble, chain, find};
use crate::bayeux::border::FaultKind;

/// For how long a set of roots is given to new clients: the system's may be other ones after that.
const SHARED_FOR: Duration = Duration::from_secs(60);

/// What is in use, for as long as a client uses it.
static IN_USE: Mutex<Vec<Weak<Trust>>> = Mutex::new(Vec::new());

/// Whom to trust; the system's roots are read when they are first needed.
#[derive(Debug)]
pub(super) struct Trust {
    /// What the CA file says, where there is one.
    pem: Option<Vec<u8>>,
    extra: RootCertStore,
    config: OnceLock<Arc<ClientConfig>>,
    made: Instant,
}

impl Trust {
    /// Reads the CA file, where there is one; who trusts the same already is joined.
    pub(super) fn of(ca_file: Option<&PathBuf>) -> Result<Arc<Self>, SetupError> {
        let pem = ca_file.map(|path| read(path)).transpose()?;
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|one| one.strong_count() > 0);
        let mut known = in_use.iter().filter_map(Weak::upgrade);
        if let Some(known) = known.find(|one| one.pem == pem && one.made.elapsed() < SHARED_FOR) {
            return Ok(known);
        }
        let extra = match ca_file.zip(pem.as_ref()) {
            Some((path, pem)) => certificates(path, pem)?,
            None => RootCertStore::empty(),
        };
        let trust = Arc::new(Self { pem, extra, config: OnceLock::new(), made: Instant::now() });
        in_use.push(Arc::downgrade(&trust));
        Ok(trust)
    }

    /// A TLS session with `target` over `stream`.
    pub(super) async fn connect<S>(&self, stream: S, target: &Target) -> Result<TlsStream<S>, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &target.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| trouble(target, "the host is no name that a certificate could have"))?,
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(*address)),
        };
        let connector = TlsConnector::from(self.config(target)?);
        connector.connect(name, stream).await.map_err(|error| trouble(target, &meaning(&error)))
    }

    fn config(&self, target: &Target) -> Result<Arc<ClientConfig>, Trouble> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = self.extra.clone();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "a part of the system's certificates cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            let what =
                "the system has no root certificates; install its ca-certificates package or set ca_file";
            return Err(trouble(target, what));
        }
        let config = configure(roots).map_err(|error| trouble(target, &error.to_string()))?;
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}

fn configure(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|error| SetupError::UnreadableCa { path: path.to_owned(), error })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<RootCertStore, SetupError> {
    let none = || SetupError::NoCertificate { path: path.to_owned() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| none())?).map_err(|_| none())?;
    }
    if roots.is_empty() { Err(none()) } else { Ok(roots) }
}

fn trouble(target: &Target, what: &str) -> Trouble {
    Trouble::new(FaultKind::Tls, format!("tls with {}: {what}", target.authority))
}

/// What a failed handshake means and what to do about it.
fn meaning(error: &io::Error) -> String {
    // tokio-rustls wraps the TLS error in an I/O error whose source is already the cause of the cause.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner.or_else(|| error.source().and_then(find::<rustls::Error>)) {
        Some(rustls::Error::InvalidCertificate(why)) => certificate_meaning(why),
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not speak TLS on this port; check the URL's scheme and port".into()
        }
        Some(rustls::Error::AlertReceived(alert)) => format!("the server refused the handshake: {alert:?}"),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection in the handshake".into()
        }
        None => chain(error),
    }
}

fn certificate_meaning(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; it must be renewed on the server (or this machine's clock is wrong)".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check this machine's clock".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host (wrong host name); check the URL's host".into()
        }
        CertificateError::UnknownIssuer => {
            "its certificate comes from an unknown issuer; if the server or a proxy on the way has its own CA, \
             give that CA's certificate (PEM) in ca_file"
                .into()
        }
        CertificateError::BadSignature => {
            "its certificate is not signed by the issuer that it names; if that CA was made anew, \
             give its new certificate (PEM) in ca_file"
                .into()
        }
        other => format!("its certificate is refused: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(dir: &Path, name: &str) -> PathBuf {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let path = dir.join(name);
        std::fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        path
    }

    #[test]
    fn who_trusts_the_same_shares_it_and_who_trusts_others_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (authority(dir.path(), "one"), authority(dir.path(), "other"));
        let of = |path: &PathBuf| Trust::of(Some(path)).unwrap();
        let first = of(&one);
        assert!(Arc::ptr_eq(&first, &of(&one)));
        assert!(!Arc::ptr_eq(&first, &of(&other)));
        assert!(!Arc::ptr_eq(&first, &Trust::of(None).unwrap()));
        std::fs::copy(&other, &one).unwrap();
        let renewed = of(&one);
        assert!(!Arc::ptr_eq(&first, &renewed), "what the file says now is what counts");
        assert_eq!(renewed.extra.len(), 1);
        std::fs::write(&one, "").unwrap();
        assert!(matches!(Trust::of(Some(&one)), Err(SetupError::NoCertificate { .. })));
    }
}
