//! Access and refresh tokens that logins have given out.
//!
//! Both kinds begin with the org's id and `!`, as session ids do, so that a token that is not known any more is told
//! from one that was never given out. An access token is good for the session timeout, whatever it is used for in the
//! meantime. Both are bounded in number: the oldest of a kind makes way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::auth::random_name;
use super::seed::Seed;
use super::users::{Client, Org, User};

/// The most access tokens, and the most refresh tokens, at a time.
const TOKENS_MAX: usize = 20_000;
/// The characters of a token after the org's id: with 36 letters more than 400 bits.
const SECRET_LEN: usize = 80;

/// What has been given out.
pub(super) struct Tokens {
    org: String,
    lifetime: Duration,
    access: Kept<Access>,
    refresh: Kept<Refresh>,
}

/// An access token or session id.
struct Access {
    user: Arc<User>,
    client: Option<Arc<Client>>,
    until: Option<Instant>,
}

/// A refresh token: whom it stands for, and who may use it.
struct Refresh {
    user: Arc<User>,
    client: Arc<Client>,
}

/// What is known of a token.
pub(super) enum Known {
    /// It is good, and this is its user.
    Good(Arc<User>),
    /// It has the form of one of ours, and is good no more.
    Dead,
    /// It is none of ours.
    Foreign,
}

struct Kept<T> {
    by_token: HashMap<String, T>,
    order: VecDeque<String>,
}

impl Tokens {
    /// None so far; access tokens will be good for `lifetime`.
    pub(super) fn new(org: &str, lifetime: Duration) -> Self {
        let org = org.get(..15).unwrap_or(org).to_owned();
        Self { org, lifetime, access: Kept::new(), refresh: Kept::new() }
    }

    /// Takes the refresh tokens that a checked seed has.
    pub(super) fn plant(&mut self, org: &Org, seed: &Seed) {
        for (name, user) in &seed.users {
            for (client, token) in &user.refresh_tokens {
                if let (Some(user), Some(client)) = (org.user(name), org.client(client)) {
                    let refresh = Refresh { user: Arc::clone(user), client: Arc::clone(client) };
                    self.refresh.insert(token.expose().to_owned(), refresh);
                }
            }
        }
    }

    /// Gives out an access token.
    pub(super) fn issue(&mut self, user: &Arc<User>, client: Option<&Arc<Client>>) -> String {
        let token = self.fresh();
        let until = Instant::now().checked_add(self.lifetime);
        self.access.insert(token.clone(), Access { user: Arc::clone(user), client: client.cloned(), until });
        token
    }

    /// Gives out a refresh token.
    pub(super) fn issue_refresh(&mut self, user: &Arc<User>, client: &Arc<Client>) -> String {
        let token = format!("5Aep{}", self.fresh());
        let refresh = Refresh { user: Arc::clone(user), client: Arc::clone(client) };
        self.refresh.insert(token.clone(), refresh);
        token
    }

    /// What is known of an access token.
    pub(super) fn look_up(&self, token: &str) -> Known {
        match self.access.by_token.get(token) {
            Some(access) if access.is_good() => Known::Good(Arc::clone(&access.user)),
            None if !token.starts_with(&format!("{}!", self.org)) => Known::Foreign,
            _ => Known::Dead,
        }
    }

    /// Whom a refresh token stands for, if this client may use it.
    pub(super) fn refresh(&self, token: &str, client: &Client) -> Option<Arc<User>> {
        let refresh = self.refresh.by_token.get(token).filter(|refresh| refresh.client.id == client.id)?;
        Some(Arc::clone(&refresh.user))
    }

    /// Takes back a refresh token and gives out the next.
    pub(super) fn rotate(&mut self, token: &str, user: &Arc<User>, client: &Arc<Client>) -> String {
        self.refresh.remove(token);
        self.issue_refresh(user, client)
    }

    /// Takes back an access token; whether it was good.
    pub(super) fn revoke_good(&mut self, token: &str) -> bool {
        self.access.remove(token).is_some_and(|access| access.is_good())
    }

    /// Takes back one token of either kind, with a refresh token the access tokens of its user and client; whether
    /// there was one.
    pub(super) fn revoke(&mut self, token: &str) -> bool {
        let Some(refresh) = self.refresh.remove(token) else {
            return self.access.remove(token).is_some();
        };
        let comes_from = |access: &Access| {
            access.user.id == refresh.user.id
                && access.client.as_ref().is_some_and(|client| client.id == refresh.client.id)
        };
        self.access.retain(|access| !comes_from(access));
        true
    }

    /// Takes back the access tokens of a user, or of all; how many were good.
    pub(super) fn revoke_access(&mut self, user: Option<&str>) -> usize {
        let before = self.alive();
        self.access.retain(|access| user.is_some_and(|id| access.user.id != id));
        before - self.alive()
    }

    /// Takes back the refresh tokens of a user, or of all; how many there were.
    pub(super) fn revoke_refresh(&mut self, user: Option<&str>) -> usize {
        let before = self.refresh.by_token.len();
        self.refresh.retain(|refresh| user.is_some_and(|id| refresh.user.id != id));
        before - self.refresh.by_token.len()
    }

    /// How many access tokens are good.
    pub(super) fn alive(&self) -> usize {
        self.access.by_token.values().filter(|access| access.is_good()).count()
    }

    fn fresh(&self) -> String {
        format!("{}!{}", self.org, random_name(SECRET_LEN))
    }
}

impl Access {
    fn is_good(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl<T> Kept<T> {
    fn new() -> Self {
        Self { by_token: HashMap::new(), order: VecDeque::new() }
    }

    fn insert(&mut self, token: String, value: T) {
        if self.order.len() >= TOKENS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_token.remove(&oldest);
        }
        if self.by_token.insert(token.clone(), value).is_none() {
            self.order.push_back(token);
        }
    }

    fn remove(&mut self, token: &str) -> Option<T> {
        let removed = self.by_token.remove(token)?;
        self.order.retain(|one| one != token);
        Some(removed)
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.by_token.retain(|_, value| keep(value));
        let by_token = &self.by_token;
        self.order.retain(|token| by_token.contains_key(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_bounded_and_the_oldest_makes_way() {
        let org = Org::new(&Seed::default());
        let (user, client) = (org.anybody().unwrap(), org.client("emulator").unwrap());
        let mut tokens = Tokens::new(&org.id, Duration::from_secs(60));
        let [first, second] = [tokens.issue(user, None), tokens.issue(user, None)];
        let refresh = tokens.issue_refresh(user, client);
        for _ in 2..=TOKENS_MAX {
            tokens.issue(user, None);
        }
        assert_eq!(tokens.alive(), TOKENS_MAX);
        assert!(matches!(tokens.look_up(&first), Known::Dead));
        assert!(matches!(tokens.look_up(&second), Known::Good(_)));
        assert!(tokens.refresh(&refresh, client).is_some(), "the other kind is another matter");
        assert!(matches!(tokens.look_up("00D000000000009!x"), Known::Foreign));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_good_for_its_lifetime() {
        let org = Org::new(&Seed::default());
        let mut tokens = Tokens::new(&org.id, Duration::from_secs(60));
        let token = tokens.issue(org.anybody().unwrap(), None);
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(matches!(tokens.look_up(&token), Known::Good(_)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(matches!(tokens.look_up(&token), Known::Dead));
        assert!(!tokens.revoke_good(&token));
        let mut endless = Tokens::new(&org.id, Duration::MAX);
        let token = endless.issue(org.anybody().unwrap(), None);
        assert!(matches!(endless.look_up(&token), Known::Good(_)));
    }
}
