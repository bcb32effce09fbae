"""The networks that ship, shown: clips made, recorded, questions answered, preferred inputs, and an atlas of it all."""
