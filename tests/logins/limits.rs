//! The org's limits, watched beside a session.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn limits_are_told_at_their_thresholds() {
    let scene = Scene::start(&[]);
    let limits = "[connection.c.limits]\nevery = \"1s\"\nthresholds = [50, 80]\n";
    let config = scene.config("", &scene.login("jwt")) + limits;
    let daemon = scene.run(&config);
    scene.emulator.wait_polled(1);
    let max = scene.status("the limits", |one| {
        let limits = one["limits"].as_array()?;
        let one = limits.iter().find(|limit| limit["name"] == "DailyDurableStreamingApiEvents")?;
        one["max"].as_u64()
    });
    assert!(!daemon.log().contains("of a limit are used"));
    scene.emulator.post("usage", &json!({"events": max * 60 / 100}));
    daemon.wait_log("50 % of a limit are used");
    scene.emulator.post("usage", &json!({"events": max * 90 / 100}));
    daemon.wait_log("80 % of a limit are used");
    let percent = scene.status("the use", |one| {
        let limits = one["limits"].as_array()?;
        limits.iter().find(|limit| limit["name"] == "DailyDurableStreamingApiEvents")?["percent"]
            .as_u64()
            .filter(|percent| *percent > 80)
    });
    assert_eq!(percent, 90);
    assert_eq!(scene.logins(), 1, "a reading is no login");
    let ended = scene.stop(daemon);
    let told = ended.stderr.lines().filter(|line| {
        line.contains("of a limit are used") && line.contains("DailyDurableStreamingApiEvents")
    });
    assert_eq!(told.count(), 2);
}
