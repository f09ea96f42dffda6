import LedgerCore
import SyncProtocol

extension AccountSnapshot {
    var words: MessageWords {
        let what = accounts.isEmpty ? "nothing new" : MessageWords.count(accounts.count, "account")
        var words = MessageWords("\(what) as of position \(position)")
        words.add("hub", hub)
        words.add("position", position)
        words.add("taken", at: takenAt)
        for one in included { words.add("includes", "\(one.stream) through \(one.through)") }
        words.add("number", number)
        words.add("round", "from number \(roundStart)")
        for account in accounts {
            let balances = account.balances.map {
                "\($0.input - $0.output) \($0.asset) (in \($0.input), out \($0.output))"
            }
            let text = balances.isEmpty ? "nothing" : balances.joined(separator: ", ")
            words.add("account", "\(account.address): \(text)")
        }
        return words
    }
}

extension AccountRequest {
    var words: MessageWords {
        let what =
            wantsAll ? "all accounts again" : MessageWords.count(accounts.count, "account")
        var words = MessageWords("wants \(what) for \(stream)")
        words.add("stream", stream)
        words.add("all", wantsAll)
        for account in accounts { words.add("account", account) }
        return words
    }
}
