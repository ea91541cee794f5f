"""What stands behind and inside prompts and is no garbage, though it may look it: cameras, renderers, artists,
names of stories, and prompts in other languages.
"""

_TRADE = """
--ar 3:2
--seed 48213 --stylize 250
#ff8800 and #00ccff palette
canon eos r5 85mm f/1.2 iso 100
sony a7iii, 35mm f1.8, 1/250s
8k uhd, octane render, unreal engine 5
product sku zx-48213-b
nikon d850 70-200mm f2.8 vr
rtx 4090 graphics card, pcb macro
bmw m3 e46 gtr at spa
boeing 747-8f cargo
kodak portra 400, ektachrome e100
cfg 7.5 steps 30 dpm++ 2m karras
--no text, watermark --v 6.1 --chaos 12
1girl, solo, silver hair, masterpiece
best quality, ultra-detailed, absurdres, highres, (sharp focus:1.2)
greg rutkowski, artgerm, wlop, alphonse mucha
hr giger, zdzislaw beksinski, moebius
by sakimichan and loish and ilya kuvshinov and guweiz
krenz cushart, ruan jia, makoto shinkai, yoshitaka amano
ivan aivazovsky and pieter claesz and lawrence alma tadema and aelbert cuyp
trending on artstation, cgsociety, hyperrealistic
volumetric lighting, ray tracing, subsurface scattering, bokeh
studio ghibli, makoto shinkai, kyoto animation
hiroshi yoshida, katsushika hokusai, utagawa kuniyoshi
caspar david friedrich, ivan aivazovsky, ilya repin
isometric low poly voxel art, blender cycles
wide shot, dutch angle, tilt-shift, anamorphic
cinestill 800t, leica m6, summilux 50mm
cthulhu, azathoth, nyarlathotep and yog-sothoth
gondor, rohirrim, galadriel at lothlorien
a tiefling warlock named xyriel and a drow named vhaeraun
pikachu, charizard, bulbasaur, gengar
tyrannosaurus, archaeopteryx, parasaurolophus
gyoza, bibimbap, bouillabaisse, tagliatelle
eyjafjallajokull, reykjavik, szczecin, thessaloniki
ac/dc, guns n' roses, motorhead, rammstein
kubernetes, postgresql, fastapi, webassembly
j. r. r. tolkien, c. s. lewis, e. e. cummings
kilian mbappe, erling haaland, novak djokovic
cottagecore, vaporwave, synthwave, dreamcore, solarpunk, cyberdeck
yokai, kitsune, oni mask, shibuya, kowloon
"""
_ABROAD = """
ein kleiner fuchs im verschneiten wald, aquarell
ein altes fachwerkhaus am fluss, abendlicht, nebel
porträt einer alten frau mit kopftuch, ölgemälde
eine straße in berlin bei nacht, regen, neonlichter
zwei kinder spielen fußball auf einer wiese
une vieille maison au bord de la mer, lumière du soir
un chat noir assis sur un toit de paris sous la pluie
portrait d'une femme au chapeau rouge, peinture à l'huile
un château dans les nuages, style impressionniste
des enfants qui jouent au ballon dans un parc
un gato negro durmiendo en una silla azul
una calle de madrid por la noche, lluvia, luces de neón
retrato de un anciano con sombrero, pintura al óleo
un barco de vela en el mar al amanecer
dos niños jugando al fútbol en la playa
un cane che corre sulla spiaggia al tramonto
una strada di roma di notte, pioggia e luci
ritratto di una donna con un cappello rosso
un castello tra le nuvole, stile fantasy, molto dettagliato
un vecchio pescatore sulla sua barca al mattino
um cachorro correndo na areia da praia
uma rua de lisboa à noite, chuva, luzes de néon
retrato de uma mulher idosa, pintura a óleo
um barco pequeno no rio ao amanhecer
een kleine vos in het besneeuwde bos, aquarel
een oude boerderij aan de rivier in de mist
portret van een oude man met een hoed
twee kinderen spelen voetbal in het park
en liten räv i skogen på vintern, akvarell
en gammal stuga vid sjön i dimman
et lite hus ved havet om natten
en gammel mand med hat, oliemaleri
pieni kettu lumisessa metsässä, vesiväri
mały lis w zaśnieżonym lesie, akwarela
stary dom nad jeziorem we mgle, zachód słońca
portret starszej kobiety w chustce, obraz olejny
malá liška v zasněženém lese, akvarel
starý dům u řeky v mlze
egy kis róka a havas erdőben, akvarell
o casă veche lângă lac, apus de soare
karlı ormanda küçük bir tilki, suluboya
deniz kenarında eski bir ev, gün batımı
seekor rubah kecil di hutan bersalju, cat air
rumah tua di tepi danau, kabut pagi
"""
TRADE = tuple(_TRADE.strip().splitlines())
ABROAD = tuple(_ABROAD.strip().splitlines())
