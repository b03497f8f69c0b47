# A blocking line server, a thread per connection: "square N" and "total".
require "socket"

lock = Mutex.new
total = 0
heard = Queue.new
# One more thread, that only ever waits for the others.
Thread.new { loop { heard.pop && lock.synchronize { total += 1 } } }

server = TCPServer.new("127.0.0.1", Integer(ARGV.fetch(0)))
loop do
  Thread.new(server.accept) do |client|
    Thread.current[:answered] = 0
    while (line = client.gets)
      word, number = line.split
      if word == "total"
        sleep 0.01 until heard.empty?
        client.puts lock.synchronize { total }
        next
      end
      sleep 0.01
      Thread.current[:answered] += 1
      heard << Thread.current[:answered]
      client.puts number.to_i**2
    end
    client.close
  end
end
