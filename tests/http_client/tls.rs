//! TLS: whom the client trusts, and how it says whom it does not.

use std::path::PathBuf;
use std::sync::Arc;

use cometail::bayeux::border::{Fault, FaultKind};
use cometail::http::{Client, SetupError};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::support::{Server, config, ok, post, request};

/// A certificate authority of the test's own, and its certificate in a file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("cometail test authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A server's side of TLS with a certificate for `name`, valid until the end of `year`.
    pub(crate) fn acceptor(&self, name: &str, year: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) async fn server(&self, name: &str, year: i32) -> Server {
        let acceptor = self.acceptor(name, year);
        Server::start(move |stream, _, seen| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                while request(&mut stream, &seen).await.is_some() {
                    stream.write_all(ok("[]").as_bytes()).await.unwrap();
                }
            }
        })
        .await
    }

    pub(crate) fn client(&self) -> Client {
        let mut config = config();
        config.ca_file = Some(self.file());
        Client::new(&config).unwrap()
    }
}

pub(crate) fn secure(server: &Server) -> Url {
    Url::parse(&format!("https://localhost:{}/cometd", server.port)).unwrap()
}

async fn refusal(client: &mut Client, server: &Server) -> Fault {
    let fault = post(client, &secure(server)).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Tls, false), "{fault}");
    assert!(fault.detail.contains(&format!("localhost:{}", server.port)), "{fault}");
    assert_eq!(server.requests().len(), 0);
    fault
}

#[tokio::test]
async fn a_server_of_the_given_authority_is_trusted() {
    let authority = Authority::new();
    let server = authority.server("localhost", 4000).await;
    let mut client = authority.client();
    for _ in 0..3 {
        assert_eq!(post(&mut client, &secure(&server)).await.unwrap().body, "[]");
    }
    assert_eq!(server.connections(), 1);
    let address = authority.server("127.0.0.1", 4000).await;
    let url = Url::parse(&format!("https://127.0.0.1:{}/", address.port)).unwrap();
    assert_eq!(post(&mut client, &url).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_unknown_issuer_is_refused() {
    let server = Authority::new().server("localhost", 4000).await;
    let fault = refusal(&mut Authority::named("another authority").client(), &server).await;
    assert!(fault.detail.contains("unknown issuer") && fault.detail.contains("ca_file"), "{fault}");
    let fault = refusal(&mut Authority::new().client(), &server).await;
    assert!(fault.detail.contains("not signed by the issuer") && fault.detail.contains("ca_file"), "{fault}");
}

#[tokio::test]
async fn another_hosts_certificate_is_refused() {
    let authority = Authority::new();
    let server = authority.server("acme.example", 4000).await;
    let fault = refusal(&mut authority.client(), &server).await;
    assert!(fault.detail.contains("wrong host"), "{fault}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let server = authority.server("localhost", 2001).await;
    let fault = refusal(&mut authority.client(), &server).await;
    assert!(fault.detail.contains("expired"), "{fault}");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_one() {
    let server = Server::start(|mut stream, _, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
    })
    .await;
    let fault = refusal(&mut Authority::new().client(), &server).await;
    assert!(fault.detail.contains("does not speak TLS"), "{fault}");
}

#[tokio::test]
async fn a_body_cut_within_tls_is_broken_off() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost", 4000);
    let server = Server::start(move |stream, _, seen| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            request(&mut stream, &seen).await;
            // No length, and no end of TLS: whoever cuts the connection could have cut the events.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n[{}]").await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await;
    let fault = post(&mut authority.client(), &secure(&server)).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Broken, true), "{fault}");
}

#[test]
fn a_ca_file_that_is_none_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let with = |path: PathBuf| {
        let mut config = config();
        config.ca_file = Some(path);
        Client::new(&config).unwrap_err()
    };
    let missing = with(dir.path().join("missing.pem"));
    assert!(matches!(missing, SetupError::UnreadableCa { .. }), "{missing}");
    assert!(missing.to_string().contains("missing.pem"));
    let texts = ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"];
    for text in texts {
        let path = dir.path().join("bad.pem");
        std::fs::write(&path, text).unwrap();
        let error = with(path);
        assert!(matches!(error, SetupError::NoCertificate { .. }), "{text}: {error}");
        assert!(error.to_string().contains("bad.pem"), "{error}");
    }
}
