-- Seeks to each of --script-opts=places=A:B:C (seconds), lets mpv play on a little, then quits.
-- Whatever goes wrong is said as an error, which the caller takes for a complaint.
local places = {}
for place in (mp.get_opt("places") or ""):gmatch("[^:]+") do
    places[#places + 1] = tonumber(place)
end
-- How many places were sought; 0 while playing from the beginning.
local sought = 0
-- Where playing went on after the last seek; nil while seeking.
local resumed_at = nil

mp.register_event("playback-restart", function()
    resumed_at = mp.get_property_number("time-pos", -1)
    local place = places[sought]
    -- Where pictures are rare, as in a gap, the next one may be a segment away.
    if place ~= nil and (resumed_at < place - 0.5 or resumed_at > place + 2.5) then
        mp.msg.error(("sought %.3f s and came to %.3f s"):format(place, resumed_at))
    end
end)

mp.observe_property("time-pos", "number", function(_, position)
    if resumed_at == nil or position == nil or position < resumed_at + 0.05 then
        return
    end
    resumed_at = nil
    sought = sought + 1
    if places[sought] ~= nil then
        mp.commandv("seek", places[sought], "absolute+exact")
    else
        mp.command("quit")
    end
end)

mp.register_event("end-file", function(event)
    if event.reason == "eof" then
        mp.msg.error(("came to the end after %d seeks"):format(sought))
    end
end)
