import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The services in Java: a platform thread for each connection, blocking sockets.
 *
 * <p>Server echo|http|stream WORKERS: prints `listening on PORT` and serves until SIGTERM. The
 * virtual machine is told of the workers (-XX:ActiveProcessorCount) and of the size of a stack.
 */
public final class Server {
  static final int ECHO_SIZE = 16 << 10;
  static final int REQUEST_SIZE = 4 << 10;
  static final int BACKLOG = 8192;
  static final int CHUNKS = 8;
  static final int CHUNK_SIZE = 1 << 10;
  static final long THINK_MILLISECONDS = 10;
  static final byte[] HELLO_REPLY =
      ("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, world!")
          .getBytes(StandardCharsets.US_ASCII);
  // A chunk is a slice of the alphabet, over and over: it begins with letter (N + its number) % 26.
  static final byte[] LETTERS =
      "abcdefghijklmnopqrstuvwxyz".repeat(CHUNK_SIZE / 26 + 2).getBytes(StandardCharsets.US_ASCII);

  interface Service {
    void serve(InputStream in, OutputStream out) throws IOException, InterruptedException;
  }

  static void echo(InputStream in, OutputStream out) throws IOException {
    byte[] buffer = new byte[ECHO_SIZE];
    int size;
    while ((size = in.read(buffer)) > 0) {
      out.write(buffer, 0, size);
    }
  }

  /** Answers every request, whatever it asks for: a head that ends with a blank line. */
  static void http(InputStream in, OutputStream out) throws IOException {
    byte[] buffer = new byte[REQUEST_SIZE];
    int held = 0;
    while (held < buffer.length) {
      int size = in.read(buffer, held, buffer.length - held);
      if (size <= 0) {
        return;
      }
      held += size;
      int end;
      while ((end = endOfHead(buffer, held)) > 0) {
        held -= end;
        System.arraycopy(buffer, end, buffer, 0, held);
        out.write(HELLO_REPLY);
      }
    }
  }

  /** Where the first head in the buffer ends; 0 if it is not all there. */
  static int endOfHead(byte[] buffer, int held) {
    for (int i = 3; i < held; ++i) {
      if (buffer[i] == '\n' && buffer[i - 1] == '\r' && buffer[i - 2] == '\n'
          && buffer[i - 3] == '\r') {
        return i + 1;
      }
    }
    return 0;
  }

  /** Answers `go N` with chunks, each after some time to think. */
  static void stream(InputStream in, OutputStream out) throws IOException, InterruptedException {
    byte[] buffer = new byte[REQUEST_SIZE];
    int held = 0;
    while (held < buffer.length) {
      int size = in.read(buffer, held, buffer.length - held);
      if (size <= 0) {
        return;
      }
      held += size;
      int end;
      while ((end = endOfLine(buffer, held)) > 0) {
        String line = new String(buffer, 0, end - 1, StandardCharsets.US_ASCII);
        held -= end;
        System.arraycopy(buffer, end, buffer, 0, held);
        if (!line.startsWith("go ")) {
          return;
        }
        long number = Long.parseLong(line.substring(3));
        for (int k = 0; k < CHUNKS; ++k) {
          int first = (int) ((number + k) % 26);
          Thread.sleep(THINK_MILLISECONDS);
          out.write(LETTERS, first, CHUNK_SIZE);
        }
      }
    }
  }

  static int endOfLine(byte[] buffer, int held) {
    for (int i = 0; i < held; ++i) {
      if (buffer[i] == '\n') {
        return i + 1;
      }
    }
    return 0;
  }

  static void connection(Socket socket, Service service) {
    try (socket) {
      socket.setTcpNoDelay(true);
      service.serve(socket.getInputStream(), socket.getOutputStream());
    } catch (SocketException gone) {
      // The client has closed: there is nobody to tell.
    } catch (IOException | InterruptedException | NumberFormatException failure) {
      System.err.println(failure);
    }
  }

  public static void main(String[] arguments) throws IOException {
    Map<String, Service> services =
        Map.of("echo", Server::echo, "http", Server::http, "stream", Server::stream);
    Service service = arguments.length == 2 ? services.get(arguments[0]) : null;
    if (service == null) {
      System.err.println("usage: Server echo|http|stream WORKERS");
      System.exit(2);
    }
    ServerSocket listener =
        new ServerSocket(0, BACKLOG, InetAddress.getByAddress(new byte[] {127, 0, 0, 1}));
    System.out.println("listening on " + listener.getLocalPort());
    System.out.flush();
    while (true) {
      Socket socket = listener.accept();
      new Thread(() -> connection(socket, service)).start();
    }
  }
}
