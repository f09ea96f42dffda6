import Testing
import TextFormats

private func events(_ text: String) throws -> [ServerSentEvent] {
    var parser = EventStreamParser()
    return try parser.read(Array(text.utf8))
}

@Suite struct EventStreamTests {
    @Test func `an event is written as its lines, and a position as an id alone`() {
        var writer = EventStreamWriter()
        writer.retry(milliseconds: 2000)
        writer.event("merged", id: "a-1") { $0.value("two\nlines") }
        writer.position("a-2")
        writer.comment("still here")
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == "retry: 2000\n\nevent: merged\ndata: \"two\\nlines\"\nid: a-1\n\nid: a-2\n\n: still here\n\n"
        )
        writer.removeAll()
        let isEmpty = writer.isEmpty
        #expect(isEmpty)
    }

    @Test func `all that the standard allows is read`() throws {
        #expect(try events("data: a\n\n") == [ServerSentEvent(data: "a")])
        #expect(try events("data:a\ndata\ndata: b\n\n") == [ServerSentEvent(data: "a\n\nb")])
        #expect(try events("data:  a\r\n\r\n") == [ServerSentEvent(data: " a")])
        #expect(try events("\u{FEFF}data: a\r\r") == [ServerSentEvent(data: "a")])
        #expect(try events(": comment\nunknown: x\ndata: a") == [], "it is not complete")
        #expect(
            try events("event: x\nid: 7\ndata: a\n\ndata: b\n\n") == [
                ServerSentEvent(name: "x", data: "a", id: "7"), ServerSentEvent(data: "b", id: "7"),
            ])
        #expect(try events("event: x\n\ndata: a\n\n") == [ServerSentEvent(data: "a")])
    }

    @Test func `an id counts when its event ends, and alone; one with a zero byte does not`() throws
    {
        var parser = EventStreamParser(lastEventID: "0")
        _ = try parser.read(Array("id: 1\ndata: a\n".utf8))
        #expect(parser.lastEventID == "0", "the event has not ended")
        #expect(try parser.read(Array("\n".utf8)) == [ServerSentEvent(data: "a", id: "1")])
        #expect(parser.lastEventID == "1")
        #expect(try parser.read(Array("id: 2\n\n".utf8)) == [] && parser.lastEventID == "2")
        _ = try parser.read(Array("id: 3\0\n\n".utf8))
        #expect(parser.lastEventID == "2")
        _ = try parser.read(Array("retry: 12\n\nretry: x\n\n".utf8))
        #expect(parser.retryMilliseconds == 12)
    }

    @Test func `a stream that is none fills no memory`() throws {
        var parser = EventStreamParser()
        let piece = [UInt8](repeating: UInt8(ascii: "a"), count: 4096)
        #expect(throws: EventStreamParser.Failure.tooLong) {
            for _ in 0..<1000 { _ = try parser.read(piece) }
        }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `what is written is read again, however it is cut`(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        var writer = EventStreamWriter()
        var written: [ServerSentEvent] = []
        for number in 0..<Int.random(in: 1...40, using: &random) {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: writer.comment("still here")
            case 1: writer.position("p\(number)")
            default:
                let text = String(
                    (0..<Int.random(in: 0...9, using: &random)).map { _ in
                        ["a", "\n", "\r", "é", ":", " ", "\"", "🧾"].randomElement(using: &random)
                            ?? "a"
                    }.joined())
                writer.event("merged", id: "i\(number)") { $0.value(text) }
                var json = JSONWriter()
                json.value(text)
                written.append(
                    ServerSentEvent(name: "merged", data: json.text, id: "i\(number)"))
            }
        }
        var parser = EventStreamParser()
        var read: [ServerSentEvent] = []
        var rest = writer.bytes[...]
        while !rest.isEmpty {
            let cut = min(rest.count, Int.random(in: 1...7, using: &random))
            read += try parser.read(rest.prefix(cut))
            rest = rest.dropFirst(cut)
        }
        #expect(read == written, "seed \(seed)")
    }
}
