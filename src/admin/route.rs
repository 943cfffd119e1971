//! From a request to whoever answers it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::ACCEPT;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::access::Access;
use super::limits::Place;
use super::order::{Order, Target};
use super::reply::{self, Answer, Denial};
use super::shared::Shared;
use super::{change, logs, metrics, page, ready, stream};
use crate::sinks::SinkStatus;
use crate::status::Snapshot;

/// One request's surroundings.
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    /// The connection's own address, where it is TCP.
    pub(super) local: Option<SocketAddr>,
    pub(super) place: Place,
}

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Path<'p> {
    Page(&'static page::File),
    Health,
    Ready,
    Metrics,
    Status,
    Events,
    Channels(&'p str),
    Order(Order),
    Capture,
    Log,
}

impl<'p> Path<'p> {
    fn read(path: &'p str) -> Option<Self> {
        if let Some(file) = page::find(path) {
            return Some(Self::Page(file));
        }
        let parts: Vec<_> = path.strip_prefix('/')?.splitn(7, '/').collect();
        Some(match parts.as_slice() {
            ["healthz"] => Self::Health,
            ["readyz"] => Self::Ready,
            ["metrics"] => Self::Metrics,
            ["api", "v1", "status"] => Self::Status,
            ["api", "v1", "events"] => Self::Events,
            ["api", "v1", "reload"] => Self::Order(Order::Reload),
            ["api", "v1", "capture"] => Self::Capture,
            ["api", "v1", "log"] => Self::Log,
            ["api", "v1", "connections", name, "channels"] => Self::Channels(name),
            ["api", "v1", "connections", name, what] => order(Target::Connection((*name).into()), what)?,
            ["api", "v1", "sinks", name, what] => order(Target::Sink((*name).into()), what)?,
            _ => return None,
        })
    }

    /// Its methods, `HEAD` included.
    const fn allow(&self) -> &'static str {
        match self {
            Self::Page(_) | Self::Health | Self::Ready | Self::Metrics | Self::Status | Self::Events => {
                "GET, HEAD"
            }
            Self::Channels(_) => "POST, DELETE",
            Self::Order(_) | Self::Capture => "POST",
            Self::Log => "GET, HEAD, PUT",
        }
    }

    /// Whether it tells nothing of what the daemon does.
    const fn is_open(&self) -> bool {
        matches!(self, Self::Page(_) | Self::Health | Self::Ready)
    }
}

fn order<'p>(target: Target, what: &str) -> Option<Path<'p>> {
    match what {
        "pause" => Some(Path::Order(Order::Pause(target))),
        "resume" => Some(Path::Order(Order::Resume(target))),
        _ => None,
    }
}

/// Answers a request.
pub(super) async fn answer(visit: Visit, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let path = admit(&visit, &head)?;
    if is_reading(&head.method) {
        return tell(&visit, &path, &head).await;
    }
    let (shared, body) = (&visit.shared, change::read(body).await?);
    match path {
        Path::Channels(name) if head.method == Method::DELETE => {
            change::unsubscribe(shared, name, &head, &body).await
        }
        Path::Channels(name) => change::subscribe(shared, name, &body).await,
        Path::Order(order) => change::plain(shared, order, &body).await,
        Path::Capture => change::capture(shared, &body).await,
        Path::Log => logs::set(&body),
        _ => Err(reply::method(path.allow())),
    }
}

/// Checks who asks for what before anything of it is done.
fn admit<'h>(visit: &Visit, head: &'h Parts) -> Result<Path<'h>, Denial> {
    let access = &visit.shared.access;
    access.check_host(head, visit.local)?;
    let nothing = || reply::refuse(StatusCode::NOT_FOUND, "there is nothing at this path");
    let path = Path::read(head.uri.path()).ok_or_else(nothing)?;
    if !path.allow().split(", ").any(|method| method == head.method.as_str()) {
        return Err(reply::method(path.allow()));
    }
    if !path.is_open() {
        access.check_token(&head.headers)?;
        Access::check_site(&head.headers)?;
    }
    if !is_reading(&head.method) {
        access.check_change(&head.headers)?;
    }
    Ok(path)
}

/// What only tells. Bodies of answers to `HEAD` are not sent.
async fn tell(visit: &Visit, path: &Path<'_>, head: &Parts) -> Answer {
    let shared = &visit.shared;
    Ok(match path {
        Path::Page(file) => page::show(file, &shared.access),
        Path::Health => ready::health(&shared.port.pulse),
        Path::Ready => ready::ready(shared).await,
        Path::Metrics => figures(shared, &head.headers).await?,
        Path::Status => reply::json(StatusCode::OK, &status(shared).await?),
        Path::Events => stream::open(visit, head).await?,
        Path::Log => logs::get()?,
        _ => return Err(reply::method(path.allow())),
    })
}

async fn status(shared: &Shared) -> Result<Snapshot<SinkStatus>, Denial> {
    shared.status().await.ok_or_else(|| reply::busy("the daemon does not tell its status in time"))
}

async fn figures(shared: &Shared, headers: &HeaderMap) -> Answer {
    let openmetrics = wants_openmetrics(headers);
    let kind = if openmetrics {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    let text = metrics::render(&status(shared).await?, openmetrics)
        .map_err(|error| reply::refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(reply::of(StatusCode::OK, kind, text))
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether `OpenMetrics` is asked for at least as much as any other form.
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let (mut open, mut other) = (0.0, 0.0);
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for part in values.flat_map(|value| value.split(',')) {
        let mut fields = part.split(';').map(str::trim);
        let kind = fields.next().unwrap_or_default();
        let weight = fields.find_map(|field| field.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        let best =
            if kind.eq_ignore_ascii_case("application/openmetrics-text") { &mut open } else { &mut other };
        *best = weight.max(*best);
    }
    open > 0.0 && open >= other
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn paths_are_read() {
        for (path, allow) in [
            ("/", "GET, HEAD"),
            ("/healthz", "GET, HEAD"),
            ("/api/v1/connections/acme/channels", "POST, DELETE"),
            ("/api/v1/connections/acme/pause", "POST"),
            ("/api/v1/sinks/orders/resume", "POST"),
            ("/api/v1/log", "GET, HEAD, PUT"),
        ] {
            assert_eq!(Path::read(path).map(|path| path.allow()), Some(allow), "{path}");
        }
        let wrong = [
            "",
            "//",
            "/healthz/",
            "/api/v1",
            "/api/v1/sinks/orders",
            "/api/v1/sinks/a/channels",
            "/a/b/c/d/e/f/g/h",
        ];
        for path in wrong {
            assert_eq!(Path::read(path), None, "{path}");
        }
    }

    #[test]
    fn the_form_of_figures_is_negotiated() {
        let wants = |accept: &'static str| {
            wants_openmetrics(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]))
        };
        assert!(wants("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
        assert!(wants("application/openmetrics-text"));
        assert!(!wants("text/plain,application/openmetrics-text;q=0.5"));
        assert!(!wants("application/openmetrics-text;q=0"));
        assert!(!wants("*/*") && !wants("") && !wants_openmetrics(&HeaderMap::new()));
    }
}
