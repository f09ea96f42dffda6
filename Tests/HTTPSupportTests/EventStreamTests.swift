import Glibc
import HTTPSupport
import Hummingbird
import ServiceLifecycle
import Synchronization
import Testing
import TextFormats

/// Numbers from 1 on, as far as somebody says, three a page.
private struct Numbers: EventPages {
    let counter: Counter
    var told = 0

    mutating func next(into events: inout EventStreamWriter) async throws -> Bool {
        let last = counter.last
        for number in (told + 1)..<(max(told, min(last, told + 3)) + 1) {
            events.event("number", id: String(number)) { $0.value(number) }
            told = number
        }
        return told < last
    }
}

private final class Counter: Sendable {
    private let state = Mutex<(last: Int, listeners: [AsyncStream<Void>.Continuation])>((0, []))

    var last: Int { state.withLock { $0.last } }

    func changes() -> AsyncStream<Void> {
        let (stream, listener) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.listeners.append(listener) }
        return stream
    }

    func set(_ last: Int) {
        let listeners = state.withLock { state in
            state.last = last
            return state.listeners
        }
        for listener in listeners { listener.yield() }
    }
}

@Suite struct EventStreamTests {
    private func serve(
        _ limits: EventStreamLimits = EventStreamLimits(),
        _ body: @escaping @Sendable (String, Counter) async throws -> Void
    ) async throws {
        let path = temporaryPath()
        let counter = Counter()
        let readers = EventStreamReaders(limits: limits)
        let route: @Sendable (APIRouter<BasicRequestContext>) -> Void = { router in
            router.get("/events") { request, _ in
                try readers.response(
                    to: request, changes: counter.changes(), pages: Numbers(counter: counter))
            }
        }
        try await withServer(at: .unix(path: path), routes: route) { _ in
            try await body(path, counter)
        }
    }

    private func open(_ path: String) throws -> Connection {
        let connection = try Connection(path: path)
        connection.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection
    }

    @Test func `what is there is told in pages, and what comes as it comes`() async throws {
        try await serve { path, counter in
            counter.set(8)
            let connection = try open(path)
            let first = await connection.receive(until: "id: 8\n\n")
            #expect(first.contains("Content-Type: text/event-stream\r\n"), "\(first)")
            #expect(first.contains("retry: 2000\n\n"))
            for number in 1...8 {
                #expect(first.contains("event: number\ndata: \(number)\nid: \(number)\n\n"))
            }
            counter.set(9)
            #expect(await connection.receive(until: "id: 9\n").contains("data: 9\n"))
            close(connection.descriptor)
        }
    }

    @Test func `a quiet stream is kept open by comments`() async throws {
        var limits = EventStreamLimits()
        limits.heartbeat = .milliseconds(20)
        try await serve(limits) { path, _ in
            let connection = try open(path)
            #expect(
                await connection.receive(until: ": still here\n\n").contains(": still here\n\n"))
            close(connection.descriptor)
        }
    }

    @Test func `a reader too many is refused with the limit, and served when another has left`()
        async throws
    {
        var limits = EventStreamLimits()
        limits.readersMax = 2
        try await serve(limits) { path, _ in
            let readers = [try open(path), try open(path)]
            for reader in readers { _ = await reader.receive(until: "retry") }
            let refused = try open(path)
            let answer = await refused.receive(until: "\"limit\":2")
            #expect(answer.hasPrefix("HTTP/1.1 503 "), "\(answer)")
            #expect(answer.contains("Retry-After: 5\r\n") && answer.contains("\"limit\":2"))
            close(refused.descriptor)
            close(readers[0].descriptor)
            var served = false
            for _ in 0..<200 where !served {
                let again = try open(path)
                served = await again.receive(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 ")
                close(again.descriptor)
                if !served { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(served)
            close(readers[1].descriptor)
        }
    }

    @Test func `a HEAD leaves no reader behind`() async throws {
        var limits = EventStreamLimits()
        limits.readersMax = 1
        try await serve(limits) { path, _ in
            for _ in 0..<3 {
                let connection = try Connection(path: path)
                connection.send("HEAD /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                #expect(await connection.receiveAll().hasPrefix("HTTP/1.1 200 "))
            }
            let connection = try open(path)
            #expect(await connection.receive(until: "retry").hasPrefix("HTTP/1.1 200 "))
            close(connection.descriptor)
        }
    }

    @Test func `when the daemon stops, a stream ends at once and in order`() async throws {
        let path = temporaryPath()
        let counter = Counter()
        let readers = EventStreamReaders()
        let route: @Sendable (APIRouter<BasicRequestContext>) -> Void = { router in
            router.get("/events") { request, _ in
                try readers.response(
                    to: request, changes: counter.changes(), pages: Numbers(counter: counter))
            }
        }
        let rest = try await withServer(at: .unix(path: path), routes: route) { group in
            let connection = try open(path)
            _ = await connection.receive(until: "retry: 2000")
            let start = ContinuousClock.now
            await group.triggerGracefulShutdown()
            let rest = await connection.receiveAll()
            #expect(ContinuousClock.now - start < .seconds(3))
            return rest
        }
        #expect(rest.hasSuffix("0\r\n\r\n"), "it ends as a whole answer does: \(rest)")
    }
}
