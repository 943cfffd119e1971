import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.cometd.bayeux.Channel;
import org.cometd.bayeux.Message;
import org.cometd.bayeux.client.ClientSessionChannel.MessageListener;
import org.cometd.client.BayeuxClient;
import org.cometd.client.http.jetty.JettyHttpClientTransport;
import org.cometd.client.transport.ClientTransport;
import org.cometd.client.transport.TransportListener;
import org.cometd.common.JacksonJSONContextClient;
import org.eclipse.jetty.client.HttpClient;

/** Appends each message of a channel to a file as a line of JSON: URL CHANNEL FILE. */
public final class Subscribe {
    /** The library's own limit is a mebibyte. */
    private static final int RESPONSE_BYTES_MAX = 64 << 20;

    private static final int BUFFER_BYTES = 1 << 20;

    private final JacksonJSONContextClient json = new JacksonJSONContextClient();
    private final ObjectMapper mapper = json.getObjectMapper();
    private final String channel;
    private final OutputStream file;
    /** Messages of the channel that have arrived and are not written yet. */
    private int pending;

    private Subscribe(String channel, OutputStream file) {
        this.channel = channel;
        this.file = file;
    }

    public static void main(String[] arguments) {
        try {
            OutputStream file = new FileOutputStream(arguments[2], true);
            new Subscribe(arguments[1], new BufferedOutputStream(file, BUFFER_BYTES)).run(arguments[0]);
        } catch (Exception | LinkageError failure) {
            // The library's threads would live on without this one.
            fail(failure.toString());
        }
    }

    private void run(String url) throws Exception {
        HttpClient http = new HttpClient();
        http.start();
        Map<String, Object> options = new HashMap<>();
        options.put(ClientTransport.JSON_CONTEXT_OPTION, json);
        options.put(ClientTransport.MAX_MESSAGE_SIZE_OPTION, RESPONSE_BYTES_MAX);
        BayeuxClient client = new BayeuxClient(url, new JettyHttpClientTransport(options, http));
        client.addTransportListener(new TransportListener() {
            @Override
            public void onMessages(List<Message.Mutable> messages) {
                expect(messages);
            }
        });
        MessageListener held = (from, reply) -> demand(reply);
        client.getChannel(Channel.META_CONNECT).addListener(held);
        client.handshake(reply -> {
            demand(reply);
            client.getChannel(channel).subscribe((from, message) -> write(message), Subscribe::demand);
        });
    }

    /** Counts what a response has, before its messages are handed over one by one. */
    private synchronized void expect(List<Message.Mutable> messages) {
        for (Message message : messages) {
            if (channel.equals(message.getChannel())) {
                pending++;
            }
        }
    }

    private synchronized void write(Message message) {
        try {
            file.write(mapper.writeValueAsBytes(message));
            file.write('\n');
            if (--pending == 0) {
                file.flush();
            }
        } catch (IOException failure) {
            fail(failure.toString());
        }
    }

    private static void demand(Message reply) {
        if (!reply.isSuccessful()) {
            fail(reply.toString());
        }
    }

    private static void fail(String why) {
        System.err.println(why);
        System.exit(1);
    }
}
