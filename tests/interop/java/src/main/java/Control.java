import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

import org.cometd.bayeux.Promise;
import org.cometd.bayeux.server.BayeuxServer;
import org.cometd.bayeux.server.ConfigurableServerChannel;
import org.cometd.bayeux.server.ServerChannel;
import org.cometd.bayeux.server.ServerMessage;
import org.cometd.bayeux.server.ServerSession;
import org.cometd.server.ext.AcknowledgedMessagesSessionExtension;

/**
 * The lines by which a test steers this process; {@code control.js} describes them.
 *
 * <p>Only here:
 *
 * <ul>
 *   <li>the command {@code polls}, answered by {@code polls N}, the number of /meta/connect held since the start;
 *   <li>the command {@code unacknowledged}, answered by {@code unacknowledged N}, the number of messages that the
 *       client has not acknowledged, or {@code unacknowledged none} without a session that acknowledges;
 *   <li>the command {@code welcome CHANNEL FIRST LAST}: publishes once, as soon as somebody subscribes to the
 *       channel, before the subscription is answered;
 *   <li>the line {@code expired} instead of {@code left} when the server dropped the session, because its client was
 *       away for longer than {@code maxInterval}.
 * </ul>
 */
final class Control
        implements BayeuxServer.SessionListener, BayeuxServer.SubscriptionListener, ServerSession.HeartBeatListener {
    /** Events that are published without a pause: more than one response carries them then. */
    private static final int CHUNK = 250;

    private final BayeuxServer bayeux;
    /** The sessions with a held poll. One that breaks off is replaced by the session's next without a word. */
    private final Set<ServerSession> held = new HashSet<>();
    private final AtomicReference<String[]> welcome = new AtomicReference<>();
    private int polls;
    private int waiting;

    Control(BayeuxServer bayeux) {
        this.bayeux = bayeux;
        bayeux.addListener(this);
    }

    /** Says the port and obeys until stdin ends, and the process with it. */
    void run(int port) throws IOException {
        say(String.valueOf(port));
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            obey(line.trim().split("\\s+"));
        }
        Runtime.getRuntime().halt(0);
    }

    private void obey(String[] words) {
        switch (words[0]) {
            case "publish" -> publish(words);
            case "welcome" -> welcome.set(words);
            case "poll" -> poll();
            case "polls" -> tellPolls();
            case "unacknowledged" -> tellUnacknowledged();
            default -> say("unknown command " + words[0]);
        }
    }

    /** {@code COMMAND CHANNEL FIRST LAST}. */
    private void publish(String[] words) {
        int first = Integer.parseInt(words[2]);
        int last = Integer.parseInt(words[3]);
        ServerChannel channel = bayeux
                .createChannelIfAbsent(words[1], new ConfigurableServerChannel.Initializer.Persistent())
                .getReference();
        for (int n = first; n <= last; n++) {
            channel.publish(null, Map.of("n", n), Promise.noop());
            if ((n - first) % CHUNK == CHUNK - 1) {
                LockSupport.parkNanos(1_000_000);
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

    private void tellUnacknowledged() {
        OptionalInt count = bayeux.getSessions().stream()
                .flatMap(session -> session.getExtensions().stream())
                .filter(AcknowledgedMessagesSessionExtension.class::isInstance)
                .mapToInt(extension -> ((AcknowledgedMessagesSessionExtension) extension).getBatchArrayQueue().size())
                .reduce(Integer::sum);
        say("unacknowledged " + (count.isPresent() ? String.valueOf(count.getAsInt()) : "none"));
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
        String[] words = welcome.get();
        if (words != null && words[1].equals(channel.getId()) && welcome.compareAndSet(words, null)) {
            publish(words);
        }
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
