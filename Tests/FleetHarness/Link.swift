import Foundation
import Synchronization

/// A TCP proxy between one client and a port, which can be cut or stalled, and healed.
///
/// **Cut**: connections are reset and new ones refused, as when a cable is pulled and the other side notices.
/// **Stalled**: connections stay open and nothing passes, as when a radio link goes silent.
///
/// **Implementation.** One thread with `poll`. Each direction of a connection holds at most one buffer that is
/// not yet written, and reads no more until it is: what the slow side does not take is not hoarded.
package final class Link: Sendable {
    /// Where the client connects.
    package let port: UInt16
    private let control: LinkControl

    package init(to target: UInt16) throws {
        port = try FreePort.next()
        let listener = try Loopback.listen(port: port)
        do {
            control = try LinkControl()
        } catch {
            Glibc.close(listener)
            throw error
        }
        let pump = LinkPump(target: target, listener: listener, control: control)
        detachThread(named: "link \(port)") { pump.run() }
    }

    deinit {
        close()
    }

    package var isFlowing: Bool { control.mode == .flowing }

    package func cut() { control.change(to: .cut) }
    package func stall() { control.change(to: .stalled) }
    package func heal() { control.change(to: .flowing) }

    /// Changes the payloads of the MQTT messages that the client publishes from now on; a connection
    /// that is open goes on as it is.
    package func tamper(_ change: @escaping @Sendable (String, [UInt8]) -> [UInt8]) {
        control.setTamper(up: { [change($0, $1)] })
    }

    /// As ``tamper(_:)``, of the messages that the client is sent.
    package func tamperDown(_ change: @escaping @Sendable (String, [UInt8]) -> [UInt8]) {
        control.setTamper(down: { [change($0, $1)] })
    }

    /// As ``tamper(_:)``, but that a message may be kept back, or go on with others.
    package func divert(_ change: @escaping @Sendable (String, [UInt8]) -> [[UInt8]]) {
        control.setTamper(up: change)
    }

    /// As ``tamper(_:)``, but that each message goes on twice.
    package func repeatEach() {
        control.setTamper(up: { [$1, $1] })
    }

    /// For good. Its connections end, and its port is free.
    package func close() { control.change(to: .closed) }
}

/// What a link is told, and the pipe that wakes its thread to hear it.
private final class LinkControl: Sendable {
    enum Mode {
        case flowing, stalled, cut, closed
    }

    private struct Tamper: Sendable {
        var up: PublishTamper.Change?
        var down: PublishTamper.Change?
    }

    private let state = Mutex(Mode.flowing)
    private let tampering = Mutex(Tamper())
    /// The end that the thread polls, and closes when all is over.
    let wakeReader: Int32
    private let wakeWriter: Int32

    init() throws {
        (wakeReader, wakeWriter) = try Descriptors.pipe()
        Descriptors.makeNonBlocking(wakeReader)
        Descriptors.makeNonBlocking(wakeWriter)
    }

    var mode: Mode { state.withLock { $0 } }

    func setTamper(up change: @escaping PublishTamper.Change) {
        tampering.withLock { $0.up = change }
    }

    func setTamper(down change: @escaping PublishTamper.Change) {
        tampering.withLock { $0.down = change }
    }

    /// For a new connection, in each direction; nil where nothing is changed.
    var tampers: (up: PublishTamper?, down: PublishTamper?) {
        let tamper = tampering.withLock { $0 }
        return (tamper.up.map(PublishTamper.init), tamper.down.map(PublishTamper.init))
    }

    /// Under the lock, so that nobody writes to the pipe after it was closed.
    func change(to new: Mode) {
        state.withLock { mode in
            guard mode != .closed else { return }
            mode = new
            var byte: UInt8 = 0
            _ = write(wakeWriter, &byte, 1)
            if new == .closed { Glibc.close(wakeWriter) }
        }
    }

    func drain() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(wakeReader, &bytes, bytes.count) > 0 {}
    }
}

/// The thread's side of a link, which alone owns the connections.
private struct LinkPump: Sendable {
    let target: UInt16
    let listener: Int32
    let control: LinkControl

    func run() {
        var connections: [LinkConnection] = []
        while true {
            let mode = control.mode
            if mode == .cut || mode == .closed {
                for connection in connections { connection.reset() }
                connections = []
            }
            if mode == .closed { break }
            turn(mode, &connections)
        }
        close(listener)
        close(control.wakeReader)
    }

    /// Waits for one thing to happen, and lets pass what can.
    private func turn(_ mode: LinkControl.Mode, _ connections: inout [LinkConnection]) {
        var polled = [pollfd(fd: control.wakeReader, events: Int16(POLLIN), revents: 0)]
        // A stalled link does not even accept: the kernel completes the handshake, and then silence.
        if mode != .stalled {
            polled.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
            for connection in connections { polled += connection.interests }
        }
        _ = poll(&polled, nfds_t(polled.count), -1)
        control.drain()
        guard mode != .stalled, control.mode == mode else { return }
        for index in connections.indices {
            connections[index].pass(polled[2 + 2 * index], polled[3 + 2 * index])
        }
        connections.removeAll { connection in
            if connection.isOver { connection.close() }
            return connection.isOver
        }
        if polled[1].revents != 0, let new = accept(mode) { connections.append(new) }
    }

    private func accept(_ mode: LinkControl.Mode) -> LinkConnection? {
        guard let client = Descriptors.accept(from: listener) else { return nil }
        do {
            guard mode == .flowing else { throw SystemError("accept", code: ECONNREFUSED) }
            let server = try Loopback.connect(port: target, timeout: .seconds(5))
            Descriptors.makeNonBlocking(client)
            Descriptors.makeNonBlocking(server)
            return LinkConnection(client: client, server: server, tampers: control.tampers)
        } catch {
            // The client learns of it as it would without us: its connection is reset.
            Loopback.resetOnClose(client)
            close(client)
            return nil
        }
    }
}

/// One connection through a link, in both directions.
private struct LinkConnection {
    private struct Direction {
        let from: Int32
        let to: Int32
        var tamper: PublishTamper?
        /// Read and not yet written.
        var pending: [UInt8] = []
        var isOver = false

        /// Reads, if nothing is pending, and writes what it can.
        mutating func pass(mayRead: Bool) {
            if pending.isEmpty, mayRead { fill() }
            while !pending.isEmpty, !isOver {
                let count = send(to, pending, pending.count, Int32(MSG_NOSIGNAL))
                if count < 0 {
                    if errno == EINTR { continue }
                    isOver = errno != EAGAIN
                    return
                }
                pending.removeFirst(count)
            }
        }

        private mutating func fill() {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = recv(from, &bytes, bytes.count, 0)
            if count > 0 {
                let read = Array(bytes[..<count])
                pending = tamper?.pass(read) ?? read
            } else {
                isOver = count == 0 || (errno != EAGAIN && errno != EINTR)
            }
        }
    }

    private var up: Direction
    private var down: Direction

    init(
        client: Int32, server: Int32, tampers: (up: PublishTamper?, down: PublishTamper?)
    ) {
        up = Direction(from: client, to: server, tamper: tampers.up)
        down = Direction(from: server, to: client, tamper: tampers.down)
    }

    var isOver: Bool { up.isOver || down.isOver }

    /// What the client's and then the server's socket wait for.
    var interests: [pollfd] {
        [
            interest(of: up.from, reads: up.pending.isEmpty, writes: !down.pending.isEmpty),
            interest(of: down.from, reads: down.pending.isEmpty, writes: !up.pending.isEmpty),
        ]
    }

    mutating func pass(_ client: pollfd, _ server: pollfd) {
        let wantsRead = Int16(POLLIN | POLLHUP | POLLERR)
        up.pass(mayRead: client.revents & wantsRead != 0)
        down.pass(mayRead: server.revents & wantsRead != 0)
    }

    /// An orderly end: what was written is still delivered.
    func close() {
        Glibc.close(up.from)
        Glibc.close(down.from)
    }

    /// A broken one.
    func reset() {
        Loopback.resetOnClose(up.from)
        Loopback.resetOnClose(down.from)
        close()
    }

    private func interest(of descriptor: Int32, reads: Bool, writes: Bool) -> pollfd {
        let events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0)
        return pollfd(fd: descriptor, events: Int16(events), revents: 0)
    }
}
