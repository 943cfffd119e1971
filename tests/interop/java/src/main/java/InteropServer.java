import java.util.ArrayList;
import java.util.List;

import org.cometd.bayeux.server.BayeuxServer;
import org.cometd.bayeux.server.ServerTransport;
import org.cometd.server.BayeuxServerImpl;
import org.cometd.server.ext.AcknowledgedMessagesExtension;
import org.cometd.server.http.JSONHttpTransport;
import org.cometd.server.http.jakarta.CometDServlet;
import org.cometd.server.websocket.jetty.JettyWebSocketTransport;
import org.eclipse.jetty.ee11.servlet.ServletContextHandler;
import org.eclipse.jetty.ee11.servlet.ServletHolder;
import org.eclipse.jetty.server.Context;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.websocket.server.ServerWebSocketContainer;
import org.eclipse.jetty.websocket.server.WebSocketUpgradeHandler;

/**
 * CometD's own server in an embedded Jetty, run by the tests; {@link Control} says how.
 *
 * <p>Its arguments are the port and then options, each {@code NAME=VALUE}:
 *
 * <ul>
 *   <li>{@code ack=true}: the extension that keeps messages until the client has acknowledged them, for sessions
 *       whose handshake has {@code ext.ack} true;
 *   <li>{@code websocket=true}: the transport {@code websocket} beside {@code long-polling}, at the same URL
 *       (exactly: no slash, nothing below it), its name first in {@code supportedConnectionTypes}. It is Jetty's own
 *       websocket, not Jakarta's: a handler in front of the servlet, which takes upgrades and lets everything else
 *       pass. Jetty closes it after 30 s without a frame, whatever {@code timeout} is: {@code ws.idleTimeout};
 *   <li>any other name is one of CometD's options, for every transport or with the prefix of one: {@code timeout},
 *       {@code interval}, {@code maxInterval}, {@code sweepPeriod}, {@code ws.idleTimeout} (all in milliseconds),
 *       {@code long-polling.maxSessionsPerBrowser} ...
 * </ul>
 */
final class InteropServer {
    private static final String PATH = "/cometd";

    private InteropServer() {
    }

    public static void main(String[] arguments) throws Exception {
        List<String> left = new ArrayList<>(List.of(arguments));
        int port = Integer.parseInt(left.remove(0));
        boolean ack = left.remove("ack=true");
        boolean websocket = left.remove("websocket=true");

        BayeuxServerImpl bayeux = new BayeuxServerImpl();
        for (String option : left) {
            String[] pair = option.split("=", 2);
            bayeux.setOption(pair[0], pair[1]);
        }
        Server server = new Server();
        ServerConnector connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(port);
        server.addConnector(connector);

        ServletContextHandler context = new ServletContextHandler();
        ServletHolder servlet = new ServletHolder(new CometDServlet());
        servlet.setAsyncSupported(true);
        servlet.setInitOrder(1);
        context.addServlet(servlet, PATH + "/*");
        context.setAttribute(BayeuxServer.ATTRIBUTE, bayeux);
        server.setHandler(context);

        List<ServerTransport> transports = new ArrayList<>();
        if (websocket) {
            ServerWebSocketContainer container = ServerWebSocketContainer.ensure(server, context);
            context.insertHandler(new WebSocketUpgradeHandler(container));
            bayeux.setOption(Context.class.getName(), context.getContext());
            bayeux.setOption("ws.cometdURLMapping", PATH);
            transports.add(new JettyWebSocketTransport(bayeux));
        }
        transports.add(new JSONHttpTransport(bayeux));
        bayeux.setTransports(transports);
        bayeux.setAllowedTransports(transports.stream().map(ServerTransport::getName).toList());
        if (ack) {
            bayeux.addExtension(new AcknowledgedMessagesExtension());
        }

        Control control = new Control(bayeux);
        server.start();
        control.run(connector.getLocalPort());
    }
}
