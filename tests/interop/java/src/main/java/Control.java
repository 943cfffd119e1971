import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

import org.cometd.bayeux.Promise;
import org.cometd.bayeux.server.BayeuxServer;
import org.cometd.bayeux.server.ConfigurableServerChannel;
import org.cometd.bayeux.server.ServerChannel;
import org.cometd.bayeux.server.ServerMessage;
import org.cometd.bayeux.server.ServerSession;

/**
 * The lines by which a test steers this process; {@code control.js} describes them.
 *
 * <p>Only here: the command {@code polls}, answered by {@code polls N}, the number of /meta/connect held since
 * the start; and the line {@code expired} instead of {@code left} when the server dropped the session, because its
 * client was away for longer than {@code maxInterval}.
 */
final class Control
        implements BayeuxServer.SessionListener, BayeuxServer.SubscriptionListener, ServerSession.HeartBeatListener {
    /** Events that are published without a pause: more than one response carries them then. */
    private static final int CHUNK = 250;

    private final BayeuxServer bayeux;
    /** The sessions with a held poll. One that breaks off is replaced by the session's next without a word. */
    private final Set<ServerSession> held = new HashSet<>();
    private int polls;
    private int waiting;

    Control(BayeuxServer bayeux) {
        this.bayeux = bayeux;
        bayeux.addListener(this);
    }

    /** Says the port and obeys until stdin ends, and the process with it. */
    void run(int port) throws IOException, InterruptedException {
        say(String.valueOf(port));
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            obey(line.trim().split("\\s+"));
        }
        Runtime.getRuntime().halt(0);
    }

    private void obey(String[] words) throws InterruptedException {
        switch (words[0]) {
            case "publish" -> publish(words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]));
            case "poll" -> poll();
            case "polls" -> tellPolls();
            default -> say("unknown command " + words[0]);
        }
    }

    private void publish(String name, int first, int last) throws InterruptedException {
        ServerChannel channel = bayeux
                .createChannelIfAbsent(name, new ConfigurableServerChannel.Initializer.Persistent())
                .getReference();
        for (int n = first; n <= last; n++) {
            channel.publish(null, Map.of("n", n), Promise.noop());
            if ((n - first) % CHUNK == CHUNK - 1) {
                Thread.sleep(1);
            }
        }
        say("published " + last);
    }

    private synchronized void poll() {
        if (!held.isEmpty()) {
            say("polling");
        } else {
            waiting += 1;
        }
    }

    private synchronized void tellPolls() {
        say("polls " + polls);
    }

    @Override
    public synchronized void onSuspended(ServerSession session, ServerMessage message, long timeout) {
        held.add(session);
        polls += 1;
        for (; waiting > 0; waiting--) {
            say("polling");
        }
    }

    @Override
    public synchronized void onResumed(ServerSession session, ServerMessage message, boolean timeout) {
        held.remove(session);
    }

    @Override
    public void sessionAdded(ServerSession session, ServerMessage message) {
        session.addListener(this);
    }

    @Override
    public synchronized void sessionRemoved(ServerSession session, ServerMessage message, boolean timeout) {
        held.remove(session);
        say(timeout ? "expired" : "left");
    }

    @Override
    public void subscribed(ServerSession session, ServerChannel channel, ServerMessage message) {
        say("subscribed " + channel.getId());
    }

    @Override
    public void unsubscribed(ServerSession session, ServerChannel channel, ServerMessage message) {
        say("unsubscribed " + channel.getId());
    }

    private static void say(String line) {
        synchronized (System.out) {
            System.out.println(line);
            System.out.flush();
        }
    }
}
