//! `url` and `api_version`: where the CometD endpoint of a connection is, and which version of the API it speaks.

use url::Url;

use super::reader::{Node, shown};
use super::urls;
use crate::salesforce::api::ApiVersion;
use crate::salesforce::version;

/// The host of an endpoint whose place only the login tells; no such host can exist (RFC 6761).
const NOWHERE: &str = "https://unknown.invalid";

/// An endpoint.
pub(super) struct Endpoint {
    pub(super) url: Url,
    /// Whether the configuration says where it is.
    pub(super) is_located: bool,
    /// The version of the API, where the path or the configuration tells one.
    pub(super) version: Option<ApiVersion>,
    /// Whether it is the one without a version in its path, of API 22.
    pub(super) is_legacy: bool,
}

/// Reads both keys; `None` where a problem is noted.
pub(super) fn read(url: Option<&Node<'_>>, version: Option<&Node<'_>>) -> Option<Endpoint> {
    let version = version.map(|node| Some((node, version_of(node)?)));
    let url = url.map(|node| Some((node, urls::endpoint(node)?)));
    let (version, url) =
        (version.map_or(Some(None), |one| one.map(Some))?, url.map_or(Some(None), |one| one.map(Some))?);
    let is_legacy = version.as_ref().is_some_and(|(_, version)| *version == ApiVersion::LEGACY);
    let Some((node, mut url)) = url else {
        let known = version.map(|(_, version)| version);
        let mut url = Url::parse(NOWHERE).ok()?;
        url.set_path(&path(known.unwrap_or(ApiVersion::DEFAULT)));
        return Some(Endpoint { url, is_located: false, version: known, is_legacy });
    };
    let told = version::of_path(url.path());
    if let Some((_, version)) = &version {
        let wanted = path(*version);
        if url.path() == "/" {
            url.set_path(&wanted);
        } else if url.path().trim_end_matches('/') != wanted {
            let found = format!("the path {} beside an api_version", shown(url.path()));
            node.report(&found, "an org such as \"https://acme.my.salesforce.com\", or no api_version", None);
            return None;
        }
    }
    let version = version.map(|(_, version)| version).or(told);
    Some(Endpoint { url, is_located: true, version, is_legacy })
}

fn version_of(node: &Node<'_>) -> Option<ApiVersion> {
    let wanted = "an API version such as \"61.0\", from \"22.0\" on";
    let text = node.text(wanted)?;
    let version = text.parse().ok().filter(|version| *version >= ApiVersion::LEGACY);
    if version.is_none() {
        node.report(&shown(text), wanted, None);
    }
    version
}

/// The path of the endpoint of a version (guide: "Bayeux Protocol and CometD").
fn path(version: ApiVersion) -> String {
    if version == ApiVersion::LEGACY { String::from("/cometd") } else { format!("/cometd/{version}") }
}
