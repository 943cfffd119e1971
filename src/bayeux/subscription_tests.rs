use super::*;

fn wanted(name: &str) -> Wanted {
    Wanted { channel: Channel::parse(name).unwrap(), replay: ReplayId::NEW }
}

#[test]
fn a_thousand_channels_fit_few_requests_and_each_fits_the_limit() {
    let names: Vec<_> = (0..1000).map(|n| wanted(&format!("/topic/Channel{n:04}"))).collect();
    let mut all = Subscriptions::new(&names, &[]);
    let (mut id, mut requests, now) = (0, 0, Instant::now());
    while let Some(body) = all.request(now, "client", true, false, usize::MAX, &mut id) {
        assert!(body.len() <= encode::REQUEST_MAX);
        assert!(serde_json::from_str::<Vec<serde_json::Value>>(&body).is_ok());
        requests += 1;
    }
    assert_eq!((id, requests), (1000, 5));
}

#[test]
fn a_position_replaces_the_start_and_survives_a_lost_session() {
    let mut all = Subscriptions::new(&[wanted("/topic/A"), wanted("/topic/B?x='1'")], &[]);
    all.commit(&Channel::parse("/topic/A").unwrap(), ReplayId(7));
    all.commit(&Channel::parse("/topic/B").unwrap(), ReplayId(9));
    all.all_pending(SystemTime::UNIX_EPOCH, "");
    let body = all.request(Instant::now(), "c", true, false, 10, &mut 0).unwrap();
    assert!(body.contains(r#""replay":{"/topic/A":7}"#), "{body}");
    assert!(body.contains(r#""replay":{"/topic/B?x='1'":9}"#), "{body}");
}

#[test]
fn a_kept_position_wins_and_a_filtered_subscription_shares_that_of_its_channel() {
    let start = ["/topic/A", "/topic/A?x='1'", "/topic/B", "/topic/B?x='1'", "/topic/C"].map(wanted);
    let kept = [("/topic/A", 7), ("/topic/B?x='1'", 9)]
        .map(|(name, replay)| (Channel::parse(name).unwrap(), ReplayId(replay)));
    let mut all = Subscriptions::new(&start, &kept);
    let body = all.request(Instant::now(), "c", true, false, 10, &mut 0).unwrap();
    for (name, replay) in start.iter().map(|one| one.channel.as_str()).zip([7, 7, -1, 9, -1]) {
        assert!(body.contains(&format!(r#""replay":{{"{name}":{replay}}}"#)), "{name}: {body}");
    }
}

#[test]
fn what_a_resumed_session_may_have_lost_is_asked_for_where_there_is_a_position() {
    let kept = [(Channel::parse("/topic/A").unwrap(), ReplayId(7))];
    let both = ["/topic/A".to_owned(), "/topic/B".to_owned()];
    // Where none was live when the session was saved, the server may hold subscriptions all the same.
    for (replay, live, asked, suspect) in [
        (true, &both[..], 1, true),
        (false, &both[..], 0, false),
        (true, &[], 2, true),
        (false, &[], 2, false),
    ] {
        let mut all = Subscriptions::new(&[wanted("/topic/A"), wanted("/topic/B")], &kept);
        all.resume(live);
        all.suspect_positions(replay);
        let mut id = 0;
        all.request(Instant::now(), "c", replay, false, 10, &mut id);
        assert_eq!((id, all.any_suspect()), (asked, suspect));
    }
}
